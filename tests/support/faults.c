/* Preloaded into a program: has its Nth call of one function of the C library fail, once or from
 * then on, as the control file says (FAULT_CONTROL, see faults.py). The calls of the libraries that
 * it uses are among them, and so are all allocations. Built alone, without the project. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

/* No header that declares what is wrapped: the wrappers have types of their own. */
extern int *__errno_location(void);
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t n);
extern int clock_gettime(int clock, void *ret);

/* Name, and what it returns when it fails: -1, an error number (EN), or NULL. */
#define MINUS (-1)
#define NUMBER (control->error)
#define NOTHING 0

/* clang-format off */
#define CALLS(X) \
    X(open, MINUS) X(openat, MINUS) X(fopen, NOTHING) X(fdopendir, NOTHING) X(opendir, NOTHING) \
    X(close, MINUS) X(read, MINUS) X(pread, MINUS) X(preadv2, MINUS) X(readdir, NOTHING) \
    X(readlink, MINUS) X(write, MINUS) X(writev, MINUS) X(fstat, MINUS) X(fstatat, MINUS) \
    X(lstat, MINUS) X(stat, MINUS) X(statx, MINUS) X(fstatfs, MINUS) X(fstatvfs, MINUS) \
    X(lseek, MINUS) X(renameat, MINUS) X(renameat2, MINUS) X(linkat, MINUS) X(unlinkat, MINUS) \
    X(unlink, MINUS) X(fsync, MINUS) X(fdatasync, MINUS) X(syncfs, MINUS) X(ftruncate, MINUS) \
    X(fallocate, MINUS) X(posix_fadvise, NUMBER) X(fchmod, MINUS) X(fchown, MINUS) \
    X(utimensat, MINUS) X(futimens, MINUS) X(flock, MINUS) X(fcntl, MINUS) X(faccessat, MINUS) \
    X(access, MINUS) X(socket, MINUS) X(connect, MINUS) X(bind, MINUS) X(send, MINUS) \
    X(sendto, MINUS) X(sendmsg, MINUS) X(recv, MINUS) X(recvmsg, MINUS) X(setsockopt, MINUS) \
    X(getsockopt, MINUS) X(getsockname, MINUS) X(socketpair, MINUS) X(poll, MINUS) \
    X(ppoll, MINUS) X(epoll_create1, MINUS) X(epoll_ctl, MINUS) X(epoll_wait, MINUS) \
    X(timerfd_create, MINUS) X(timerfd_settime, MINUS) X(signalfd, MINUS) X(eventfd, MINUS) \
    X(eventfd_write, MINUS) X(inotify_init1, MINUS) X(inotify_add_watch, MINUS) X(pipe2, MINUS) \
    X(dup, MINUS) X(dup2, MINUS) X(memfd_create, MINUS) X(getrandom, MINUS) \
    X(gethostname, MINUS) X(sigaction, MINUS) X(sigprocmask, MINUS) X(pthread_sigmask, NUMBER) \
    X(pthread_create, NUMBER) X(waitpid, MINUS) X(setrlimit, MINUS) \
    X(getrlimit, MINUS) X(mmap, MINUS)

/* The same under the names that are used with 64-bit offsets. */
#define ALIASES(X) \
    X(open64, open) X(openat64, openat) X(fopen64, fopen) X(pread64, pread) \
    X(preadv64v2, preadv2) X(readdir64, readdir) X(fstat64, fstat) X(fstatat64, fstatat) \
    X(lstat64, lstat) X(stat64, stat) X(fstatfs64, fstatfs) X(fstatvfs64, fstatvfs) \
    X(lseek64, lseek) X(ftruncate64, ftruncate) X(fallocate64, fallocate) \
    X(posix_fadvise64, posix_fadvise) X(fcntl64, fcntl) X(setrlimit64, setrlimit) \
    X(getrlimit64, getrlimit) X(mmap64, mmap)
/* clang-format on */

enum {
#define NUMBERED(name, result) CALL_##name,
    CALLS(NUMBERED) CALL_malloc,
    N_CALLS
};

/* faults.py knows this layout. */
static struct control {
    _Atomic int call; /* whose turn it is to fail; -1: nobody's */
    _Atomic int left; /* calls up to and with the one that fails */
    int error;
    int forever;
    _Atomic int hits;
    int creating; /* only what creates a file */
    /* From the end of the last recv() that brought something to the end of the unlinkat() that
     * follows it, by one thread. */
    struct {
        _Atomic int n;            /* such */
        _Atomic int calls;        /* most calls in between */
        _Atomic int call;         /* the first of those */
        _Atomic int sum, longest; /* microseconds */
    } window;
    _Atomic int counts[N_CALLS];
} * control;

/* In the order of the numbers, for faults.py: `strings` finds it. */
#define NAMED(name, result) #name " "
__attribute__((used)) static const char names[] = "calls: " CALLS(NAMED) "malloc";

static __attribute__((constructor)) void open_control(void)
{
    const char *path = getenv("FAULT_CONTROL");
    long (*real_open)(const char *, int) = (long (*)(const char *, int))dlsym(RTLD_NEXT, "open");
    void *(*real_mmap)(void *, size_t, int, int, int, long) =
        (void *(*)(void *, size_t, int, int, int, long))dlsym(RTLD_NEXT, "mmap");
    long (*real_close)(int) = (long (*)(int))dlsym(RTLD_NEXT, "close");
    void *at;
    int fd;

    if (!path)
        return;
    fd = (int)real_open(path, 2 | 02000000); /* O_RDWR | O_CLOEXEC */
    at = real_mmap(NULL, sizeof(*control), 3, 1, fd, 0);
    real_close(fd);
    if (at == (void *)-1)
        abort();
    control = at;
}

/* libconfig uses what it allocates without a look: a program that is short of memory while it reads
 * its configuration dies there, whatever it does itself. */
static _Thread_local int is_suspended;

static int fails(int call)
{
    int left;

    if (!control || is_suspended)
        return 0;
    atomic_fetch_add(&control->counts[call], 1);
    if (atomic_load(&control->call) != call)
        return 0;
    left = atomic_fetch_sub(&control->left, 1) - 1;
    if (left > 0 || (left < 0 && !control->forever))
        return 0;
    atomic_fetch_add(&control->hits, 1);
    return 1;
}

/* Nothing but an addition to an epoll set needs memory. */
static int can_fail(int call, long second, long third)
{
    if (control && control->creating && call == CALL_openat)
        return (third & 0100) != 0; /* O_CREAT */
    return call != CALL_epoll_ctl || second == 1;
}

static _Thread_local long long received_at; /* 0: something else has been done since */
static _Thread_local int n_between, first_between;

static long long now_nsec(void)
{
    struct {
        long seconds, nanoseconds;
    } t;

    (void)clock_gettime(1, &t); /* CLOCK_MONOTONIC */
    return t.seconds * 1000000000LL + t.nanoseconds;
}

static void close_window(void)
{
    int usec = (int)((now_nsec() - received_at) / 1000);

    control->window.n++;
    control->window.sum += usec;
    if (usec > control->window.longest)
        control->window.longest = usec;
    if (n_between > control->window.calls) {
        control->window.calls = n_between;
        control->window.call = first_between;
    }
    received_at = 0;
}

static void watch_window(int call, long result)
{
    if (!control)
        return;
    if (call == CALL_recv && result > 0) {
        received_at = now_nsec();
        n_between = 0;
    } else if (call == CALL_unlinkat && received_at) {
        close_window();
    } else if (received_at && n_between++ == 0) {
        first_between = call;
    }
}

typedef long (*Function)(long, long, long, long, long, long);

/* clang-format off */
/* Every argument is an integer or a pointer, and so in a register, whether the function takes a
 * variable number of them or not. */
#define WRAP(symbol, name, call, result)                                               \
    long wrap_##name(long a, long b, long c, long d, long e, long f) __asm__(#symbol); \
    long wrap_##name(long a, long b, long c, long d, long e, long f)                   \
    {                                                                                  \
        static Function real;                                                          \
        int failing = can_fail(CALL_##call, b, c) && fails(CALL_##call);               \
                                                                                       \
        if (!real)                                                                     \
            real = (Function)dlsym(RTLD_NEXT, #symbol);                                \
        if (!failing) {                                                                \
            long done = real(a, b, c, d, e, f);                                        \
                                                                                       \
            watch_window(CALL_##call, done);                                           \
            return done;                                                               \
        }                                                                              \
        if (CALL_##call == CALL_close)                                                 \
            (void)real(a, b, c, d, e, f);                                              \
        *__errno_location() = control->error;                                          \
        return result;                                                                 \
    }

#define WRAP_CALL(name, result) WRAP(name, name, name, result)
#define RESULT_OF(name, result)            \
    static inline long result_##name(void) \
    {                                      \
        return result;                     \
    }
CALLS(RESULT_OF)
#define WRAP_ALIAS(name, call) WRAP(name, name, call, result_##call())
CALLS(WRAP_CALL)
ALIASES(WRAP_ALIAS)

#define WRAP_LIBCONFIG(name)                                                      \
    long name(long a, long b)                                                     \
    {                                                                             \
        long (*real)(long, long) = (long (*)(long, long))dlsym(RTLD_NEXT, #name); \
        long result;                                                              \
                                                                                  \
        is_suspended++;                                                           \
        result = real(a, b);                                                      \
        is_suspended--;                                                           \
        return result;                                                            \
    }
WRAP_LIBCONFIG(config_init)
WRAP_LIBCONFIG(config_read_string)

/* What the C library has no function for yet: openat2(), which counts as openat(). */
long syscall(long number, long a, long b, long c, long d, long e, long f)
{
    static long (*real)(long, long, long, long, long, long, long);

    if (!real)
        real = (long (*)(long, long, long, long, long, long, long))dlsym(RTLD_NEXT, "syscall");
    if (number != 437 || (control && control->creating) || !fails(CALL_openat))
        return real(number, a, b, c, d, e, f);
    *__errno_location() = control->error;
    return -1;
}

/* clang-format on */

static int no_memory(void)
{
    if (!fails(CALL_malloc))
        return 0;
    *__errno_location() = control->error;
    return 1;
}

void *malloc(size_t n)
{
    return no_memory() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return no_memory() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
    return no_memory() ? NULL : __libc_realloc(old, n);
}

void *reallocarray(void *old, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes) || no_memory())
        return NULL;
    return __libc_realloc(old, bytes);
}
