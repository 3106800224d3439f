/* The floor: a recording of what a build asks of the kernel, asked again from C, and timed.
 *
 * In: a file of records, each three 32-bit numbers (which, namespace's descriptor, length) and that many bytes.
 * Out: "step seconds" for each mark; at the end "down" and the moment of the monotonic clock at which it began.
 * Every byte sent is the recorded one, descriptors of namespaces included: they get the very same numbers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { NEW, SEND, SYSCTL, MARK };
enum { OUR_OWN = 15000, MOST = 15000 };

static int sockets[MOST], home;
static char answers[1 << 18];

static void fail(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static double used(void)
{
	struct rusage own;
	getrusage(RUSAGE_SELF, &own);
	return own.ru_utime.tv_sec + own.ru_stime.tv_sec + (own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
}

static int out_of_the_way(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, OUR_OWN);
	if (high < 0)
		fail("move a descriptor");
	close(fd);
	return high;
}

static void open_socket(uint32_t where)
{
	int one = 1, bytes = 1 << 20, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct sockaddr_nl own = {.nl_family = AF_NETLINK};
	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own))
		fail("open a netlink socket");
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
	sockets[where] = out_of_the_way(fd);
}

/* As ours: a procfs attached nowhere for a few dozen namespaces, whose first look is slow where many were before. */
static int sysctls(void)
{
	static int proc = -1, left;
	if (proc >= 0 && left-- > 0)
		return proc;
	if (proc >= 0)
		close(proc);
	int context = syscall(SYS_fsopen, "proc", 1);
	if (context < 0 || syscall(SYS_fsconfig, context, 6, NULL, NULL, 0))
		fail("make a procfs");
	proc = out_of_the_way(syscall(SYS_fsmount, context, 1, 0));
	close(context);
	left = 64;
	return proc;
}

static void write_sysctl(int proc, const char *path)
{
	const char *value = path + strlen(path) + 1;
	int fd = openat(proc, path, O_WRONLY);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		fail(path);
	close(fd);
}

static void send_all(uint32_t where, const char *bytes, uint32_t length)
{
	uint32_t last = 0, at = 0;
	while (at < length) {
		struct nlmsghdr head;
		memcpy(&head, bytes + at, sizeof head);
		last = head.nlmsg_seq;
		at += NLMSG_ALIGN(head.nlmsg_len);
	}
	if (send(sockets[where], bytes, length, 0) != (ssize_t)length)
		fail("send");
	for (;;) {
		int left = recv(sockets[where], answers, sizeof answers, 0);
		if (left < 0)
			fail("receive");
		for (struct nlmsghdr *head = (void *)answers; NLMSG_OK(head, left); head = NLMSG_NEXT(head, left)) {
			if (head->nlmsg_type != NLMSG_ERROR)
				continue;
			errno = -((struct nlmsgerr *)NLMSG_DATA(head))->error;
			if (errno)
				fail("a request was refused");
			if (head->nlmsg_seq == last)
				return;
		}
	}
}

int main(int count, char **words)
{
	struct rlimit files;
	struct stat status;
	int fd = count == 2 ? open(words[1], O_RDONLY) : -1;
	if (fd < 0 || fstat(fd, &status))
		fail("usage: floor RECORDING");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	char *all = malloc(status.st_size), *end = all + status.st_size;
	if (read(fd, all, status.st_size) != status.st_size)
		fail("read the recording");
	close(fd);

	double begin = now(), work = used();
	home = out_of_the_way(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
	open_socket(0);
	for (char *at = all; at < end;) {
		uint32_t record[3];
		memcpy(record, at, sizeof record);
		const char *bytes = at + sizeof record;
		at += sizeof record + record[2];
		uint32_t where = record[1];
		if (where >= MOST)
			fail("too many descriptors");
		switch (record[0]) {
		case NEW: {
			if (unshare(CLONE_NEWNET))
				fail("make a namespace");
			fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
			if (fd != (int)where) {
				dup3(fd, where, O_CLOEXEC);
				close(fd);
			}
			open_socket(where);
			int proc = sysctls();
			for (; at < end; at += sizeof record + record[2]) {
				memcpy(record, at, sizeof record);
				if (record[0] != SYSCTL || record[1] != where)
					break;
				write_sysctl(proc, at + sizeof record);
			}
			if (setns(home, CLONE_NEWNET))
				fail("go home");
			break;
		}
		case SEND:
			send_all(where, bytes, record[2]);
			break;
		case SYSCTL:
			if (setns(where, CLONE_NEWNET))
				fail("visit a namespace");
			write_sysctl(sysctls(), bytes);
			setns(home, CLONE_NEWNET);
			break;
		case MARK:
			printf("%s %.9f\n%s_cpu %.9f\n", bytes, now() - begin, bytes, used() - work);
			work = used();
			begin = now();
		}
	}
	printf("down %.9f\n", now());
	fflush(stdout);
	for (fd = 3; fd < MOST; fd++)
		if (sockets[fd] > 0) {
			close(sockets[fd]);
			close(fd);
		}
	return 0;
}
