// The workload in ns-3: point-to-point links, static routes as given, greedy CUBIC flows as Linux has them.
//
// In:    the workload's text on stdin (see workload.py); "count" as an argument counts packets crossing links.
// Out:   a line per flow with the bytes its sink got; with "count" a last line with the packet-hops.
// Set as Linux is: 10 segments initial window, 1448 bytes payload, SACK, timestamps, an ACK for every second segment,
// PRR.  Drop-tail in the device, no other queue (ns-3 would put an FqCoDel above it).
#include <cstdint>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "ns3/applications-module.h"
#include "ns3/core-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"

using namespace ns3;

static uint64_t crossings = 0;

static void Count(Ptr<const Packet>)
{
    crossings++;
}

static Ptr<PointToPointNetDevice> MakeDevice(Ptr<Node> node, uint64_t rate, uint32_t packets)
{
    auto device = CreateObject<PointToPointNetDevice>();
    auto queue = CreateObject<DropTailQueue<Packet>>();
    queue->SetMaxSize(QueueSize(QueueSizeUnit::PACKETS, packets));
    device->SetDataRate(DataRate(rate));
    device->SetAddress(Mac48Address::Allocate());
    device->SetQueue(queue);
    node->AddDevice(device);
    return device;
}

// Every interface has its node's own address: ns-3 would send from an interface's, whatever a socket is bound to.
static void AddInterface(Ptr<Node> node, Ptr<NetDevice> device, const std::string& address)
{
    auto ip = node->GetObject<Ipv4>();
    uint32_t index = ip->AddInterface(device);
    ip->AddAddress(index, Ipv4InterfaceAddress(Ipv4Address(address.c_str()), Ipv4Mask("/32")));
    ip->SetUp(index);
}

int main(int argc, char** argv)
{
    bool count = argc > 1 && std::string(argv[1]) == "count";
    Config::SetDefault("ns3::TcpL4Protocol::SocketType", TypeIdValue(TcpCubic::GetTypeId()));
    Config::SetDefault("ns3::TcpL4Protocol::RecoveryType", TypeIdValue(TcpPrrRecovery::GetTypeId()));
    Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(1448));
    Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(8 << 20));
    Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(6 << 20));
    Config::SetDefault("ns3::TcpSocket::InitialCwnd", UintegerValue(10));
    Config::SetDefault("ns3::TcpSocket::DelAckCount", UintegerValue(2));

    double seconds = 0;
    std::vector<Ptr<Node>> nodes;
    std::vector<std::string> addresses;
    std::vector<Ptr<PacketSink>> sinks;
    InternetStackHelper stack;
    Ipv4StaticRoutingHelper routing;
    stack.SetRoutingHelper(routing);
    stack.SetIpv6StackInstall(false);

    std::string line, word;
    while (std::getline(std::cin, line))
    {
        std::istringstream words(line);
        words >> word;
        if (word == "seconds")
        {
            words >> seconds;
        }
        else if (word == "node")
        {
            std::string address;
            words >> address;
            auto node = CreateObject<Node>();
            stack.Install(node);
            nodes.push_back(node);
            addresses.push_back(address);
        }
        else if (word == "link")
        {
            uint32_t a, b;
            uint64_t rate[2], delay;
            uint32_t packets[2];
            words >> a >> b >> delay;
            for (int way = 0; way < 2; way++)
            {
                words >> rate[way] >> packets[way];
            }
            auto one = MakeDevice(nodes[a], rate[0], packets[0]);
            auto other = MakeDevice(nodes[b], rate[1], packets[1]);
            auto channel = CreateObject<PointToPointChannel>();
            channel->SetAttribute("Delay", TimeValue(NanoSeconds(delay)));
            one->Attach(channel);
            other->Attach(channel);
            AddInterface(nodes[a], one, addresses[a]);
            AddInterface(nodes[b], other, addresses[b]);
            if (count)
            {
                one->TraceConnectWithoutContext("MacRx", MakeCallback(&Count));
                other->TraceConnectWithoutContext("MacRx", MakeCallback(&Count));
            }
        }
        else if (word == "route")
        {
            uint32_t node, interface;
            std::string destination, prefix, via;
            words >> node >> destination >> prefix >> via >> interface;
            auto table = routing.GetStaticRouting(nodes[node]->GetObject<Ipv4>());
            table->AddNetworkRouteTo(Ipv4Address(destination.c_str()),
                                     Ipv4Mask(("/" + prefix).c_str()),
                                     Ipv4Address(via.c_str()),
                                     interface);
        }
        else if (word == "flow")
        {
            uint32_t source, target;
            uint16_t port;
            words >> source >> target >> port;
            InetSocketAddress to(Ipv4Address(addresses[target].c_str()), port);
            auto sink = CreateObject<PacketSink>();
            sink->SetAttribute("Protocol", TypeIdValue(TcpSocketFactory::GetTypeId()));
            sink->SetAttribute("Local", AddressValue(to));
            nodes[target]->AddApplication(sink);
            sinks.push_back(sink);
            auto sender = CreateObject<BulkSendApplication>();
            sender->SetAttribute("Protocol", TypeIdValue(TcpSocketFactory::GetTypeId()));
            sender->SetAttribute("Remote", AddressValue(to));
            sender->SetAttribute("Local",
                                 AddressValue(InetSocketAddress(Ipv4Address(addresses[source].c_str()), port)));
            sender->SetAttribute("SendSize", UintegerValue(1448 * 16));
            nodes[source]->AddApplication(sender);
        }
    }
    Simulator::Stop(Seconds(seconds));
    Simulator::Run();
    for (auto& sink : sinks)
    {
        std::cout << sink->GetTotalRx() << "\n";
    }
    if (count)
    {
        std::cout << "crossings " << crossings << "\n";
    }
    // The process ends here: taking the network down would only cost it time.
    std::cout.flush();
    std::_Exit(0);
}
