/*
 * Loaded (LD_PRELOAD) into the user-mode Linux process on the host, never into programs inside the guest.
 *
 * In:    SHADOWLAB_GUEST_SEED, a decimal number, in the environment; without it chance stays the host's.
 * Out:   four library calls that user-mode Linux makes, answered so that a guest repeats and lives on any CPU.
 * Never: opens a file, starts a process, prints.
 *
 * 1. getrandom, getentropy   the guest kernel's only source of chance: answered from the seed.
 * 2. sbrk(0)                 where the guest's memory starts.  Address randomisation moves it by up to 32 MB, and with
 *                            it the size of the guest's memory and every limit derived from that: rounded up.
 * 3. ptrace                  a) UML 6.12 keeps 2696 bytes of vector registers per process.  A CPU with AMX has 11008,
 *                               and the host refuses to set fewer (EFAULT).  Set through a buffer of the full size;
 *                               a set that would change nothing is left out.
 *                            b) A guest process that is about to be traced asks to die with its tracer first, so that
 *                               a kill at any moment leaves none behind.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pid_t loaded_by;
static int seeded;
static uint64_t state;

__attribute__((constructor)) static void begin(void)
{
	const char *seed = getenv("SHADOWLAB_GUEST_SEED");

	loaded_by = getpid();
	if (seed != NULL) {
		seeded = 1;
		state = strtoull(seed, NULL, 10);
	}
}

/* ---- chance: SplitMix64 (Steele, Lea, Flood 2014).  The guest kernel hashes it with BLAKE2s and ChaCha20. ---- */

static uint64_t next_number(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

ssize_t getrandom(void *buffer, size_t length, unsigned int flags)
{
	char *to = buffer;

	if (!seeded)
		return syscall(SYS_getrandom, buffer, length, flags);
	for (size_t done = 0; done < length; done += 8) {
		uint64_t number = next_number();

		memcpy(to + done, &number, length - done < 8 ? length - done : 8);
	}
	return (ssize_t)length;
}

int getentropy(void *buffer, size_t length)
{
	if (length > 256) {
		errno = EIO;
		return -1;
	}
	return getrandom(buffer, length, 0) == (ssize_t)length ? 0 : -1;
}

/* ---- where the guest's memory starts ---- */

#define MEMORY_STEP (64UL << 20)

void *sbrk(intptr_t increment)
{
	static void *(*real)(intptr_t);
	uintptr_t end;

	if (real == NULL)
		real = (void *(*)(intptr_t))dlsym(RTLD_NEXT, "sbrk");
	end = (uintptr_t)real(increment);
	if (increment != 0 || end == (uintptr_t)-1)
		return (void *)end;
	return (void *)((end + MEMORY_STEP - 1) & ~(MEMORY_STEP - 1));
}

/* ---- ptrace ---- */

#define XSTATE_ROOM 65536
#define XSTATE_BV 512 /* offset of the bit map of present components, after the legacy area */
#define XSTATE_FIRST_EXTENDED 2

static char xstate[XSTATE_ROOM] __attribute__((aligned(64)));
static size_t host_xstate; /* bytes of the host's register set; 0 until the first read */

/*
 * The registers as last read, and of which process.  User-mode Linux reads them all after every system call of the
 * guest and writes them back before the process runs on, mostly unchanged: that write is left out (a system call of
 * the guest costs 4.4 us instead of 5.8).  Any request but those in `leaves_registers` makes this forgotten.
 */
static char last_read[XSTATE_ROOM] __attribute__((aligned(64)));
static size_t last_read_length;
static long last_read_pid;

/* As the C library's ptrace: a peeked word is the result. */
static long call_ptrace(long request, long pid, long address, void *data)
{
	long word;
	long got;

	if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
		got = syscall(SYS_ptrace, request, pid, address, &word);
		if (got < 0)
			return got;
		errno = 0;
		return word;
	}
	return syscall(SYS_ptrace, request, pid, address, data);
}

/* The components of the register set that lie completely in the first `size` bytes (CPUID leaf 0xD). */
static uint64_t components_within(size_t size)
{
	static size_t known_size;
	static uint64_t known;

	if (known_size == size)
		return known;
	known = 3; /* x87 and SSE: the legacy area */
	for (unsigned int i = XSTATE_FIRST_EXTENDED; i < 63; i++) {
		unsigned int bytes, offset, c, d;

		if (__get_cpuid_count(0xd, i, &bytes, &offset, &c, &d) && bytes != 0 && (size_t)offset + bytes <= size)
			known |= 1ULL << i;
	}
	known_size = size;
	return known;
}

static long read_xstate(long pid, struct iovec *wanted)
{
	long result;

	if (host_xstate == 0) {
		struct iovec all = { xstate, sizeof(xstate) };

		if (call_ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &all) == 0)
			host_xstate = all.iov_len;
	}
	result = call_ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, wanted);
	last_read_pid = 0;
	if (result == 0 && wanted->iov_len <= sizeof(last_read)) {
		memcpy(last_read, wanted->iov_base, wanted->iov_len);
		last_read_length = wanted->iov_len;
		last_read_pid = pid;
	}
	return result;
}

static long write_xstate(long pid, struct iovec *wanted)
{
	struct iovec all = { xstate, host_xstate };
	uint64_t present;

	if (pid == last_read_pid && wanted->iov_len == last_read_length
	    && memcmp(last_read, wanted->iov_base, last_read_length) == 0)
		return 0;
	last_read_pid = 0;
	if (wanted->iov_len >= host_xstate || host_xstate > sizeof(xstate))
		return call_ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, wanted);
	memcpy(xstate, wanted->iov_base, wanted->iov_len);
	memset(xstate + wanted->iov_len, 0, host_xstate - wanted->iov_len);
	memcpy(&present, xstate + XSTATE_BV, sizeof(present));
	present &= components_within(wanted->iov_len);
	memcpy(xstate + XSTATE_BV, &present, sizeof(present));
	return call_ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &all);
}

static int leaves_registers(long request)
{
	return request == PTRACE_GETREGS || request == PTRACE_SETREGS || request == PTRACE_GETSIGINFO;
}

/* Runs on a stack of one page: nothing but system calls. */
static void die_with_tracer(void)
{
	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (syscall(SYS_getppid) != loaded_by)
		_exit(1);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;
	long pid, address;
	void *data;

	va_start(arguments, request);
	pid = va_arg(arguments, pid_t);
	address = va_arg(arguments, long);
	data = va_arg(arguments, void *);
	va_end(arguments);

	if (request == PTRACE_TRACEME)
		die_with_tracer();
	if (address == NT_X86_XSTATE && request == PTRACE_GETREGSET)
		return read_xstate(pid, data);
	if (address == NT_X86_XSTATE && request == PTRACE_SETREGSET)
		return write_xstate(pid, data);
	if (pid == last_read_pid && !leaves_registers(request))
		last_read_pid = 0;
	return call_ptrace(request, pid, address, data);
}
