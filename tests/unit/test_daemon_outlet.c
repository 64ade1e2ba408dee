/* daemon: the log's ways out, with readers that are slow, stop, come back, and are replaced. A call
 * that waits for one of them is ended by the runner's limit. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>

#include "base/file.h"
#include "daemon/log.h"
#include "daemon/log_outlet.h"
#include "unit.h"

#define MANY 20000 /* entries: more than a pipe and the memory for them hold */

static Entry entry;

static void make_entry(const char *message)
{
    entry_start(&entry, LOG_INFO, "0123456789abcdef0123456789abcdef", "test");
    entry_open(&entry, "MESSAGE=");
    entry_lines(&entry, message);
    entry_close(&entry);
}

static void make_numbered(unsigned number)
{
    char text[32];

    snprintf(text, sizeof(text), "entry %06u", number);
    make_entry(text);
}

/* ---- A reader by the script ---- */

static ssize_t script[16]; /* what each call takes at most, or a negative errno; 0: the end */
static unsigned script_at;
static Buffer taken;

static size_t encode_message(const Entry *e, char *ret, size_t size)
{
    ck_assert_uint_le(e->fields[3].iov_len, size);
    memcpy(ret, e->fields[3].iov_base, e->fields[3].iov_len);
    return e->fields[3].iov_len;
}

static ssize_t send_by_script(_unused_ LogOutlet *outlet, const char *data, size_t n)
{
    ssize_t step = script[script_at];

    if (step != 0)
        script_at++;
    if (step < 0)
        return step;
    n = step == 0 ? n : MIN(n, (size_t)step);
    ck_assert_int_eq(buffer_append(&taken, data, n), 0);
    return (ssize_t)n;
}

static const LogOutletOps scripted = {.encode = encode_message, .send = send_by_script};

static const char *taken_text(void)
{
    ck_assert_int_eq(buffer_append(&taken, "", 1), 0);
    buffer_truncate(&taken, buffer_size(&taken) - 1);
    return buffer_data(&taken);
}

START_TEST(entries_leave_whole_and_in_order)
{
    static const ssize_t steps[] = {3, -EAGAIN, 5, -EAGAIN, 0};
    _cleanup_(log_outlet_free_p) LogOutlet *outlet = NULL;

    memcpy(script, steps, sizeof(steps));
    ck_assert_int_eq(log_outlet_new(&scripted, -1, false, &outlet), 0);
    for (const char *one = "a\0b\0c\0"; *one; one += 2) {
        make_entry(one);
        ck_assert_int_eq(log_outlet_write(outlet, &entry), 0);
    }
    ck_assert_str_eq(taken_text(), "MES");
    ck_assert_int_eq(log_outlet_drain(outlet), -EAGAIN);
    ck_assert_str_eq(taken_text(), "MESSAGE=");
    ck_assert_int_eq(log_outlet_drain(outlet), 0);
    ck_assert_str_eq(taken_text(), "MESSAGE=aMESSAGE=bMESSAGE=c");
    ck_assert_uint_eq(buffer_size(&outlet->kept), 0);
}
END_TEST

START_TEST(another_reader_gets_the_whole_entry)
{
    static const ssize_t steps[] = {3, -EPIPE, 0};
    _cleanup_(log_outlet_free_p) LogOutlet *outlet = NULL;

    memcpy(script, steps, sizeof(steps));
    ck_assert_int_eq(log_outlet_new(&scripted, -1, false, &outlet), 0);
    make_entry("a");
    ck_assert_int_eq(log_outlet_write(outlet, &entry), 0);
    make_entry("b");
    ck_assert_int_eq(log_outlet_write(outlet, &entry), -EPIPE);
    ck_assert_int_eq(log_outlet_drain(outlet), 0);
    ck_assert_str_eq(taken_text(), "MESMESSAGE=a");
}
END_TEST

START_TEST(patience_is_earned_and_ends)
{
    _cleanup_(log_outlet_free_p) LogOutlet *outlet = NULL;
    _cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    static char large[ENTRY_MEMORY_BYTES];

    ck_assert_int_eq(log_outlet_new(&scripted, null, true, &outlet), 0);
    memset(large, 'x', sizeof(large) - 1000);
    for (size_t i = 1000; i < sizeof(large) - 1000; i += 1000)
        large[i] = '\n';
    make_entry(large);
    /* Always ready, and never taking anything: only time ends it. */
    for (;;) {
        int r;

        script[0] = script[1] = script[2] = script[3] = -EAGAIN;
        script_at = 0;
        if (outlet->patience == 0)
            break;
        if (buffer_size(&outlet->kept) + sizeof(large) > LOG_OUTLET_KEPT_BYTES)
            outlet->patience = MIN(outlet->patience, (usec_t)15);
        r = log_outlet_write(outlet, &entry);
        ck_assert(r == 0 || r == -EAGAIN);
    }
    ck_assert_uint_le(buffer_size(&outlet->kept), LOG_OUTLET_KEPT_BYTES);
    ck_assert_int_eq(log_outlet_write(outlet, &entry), -EAGAIN);
    memset(script, 0, sizeof(script));
    ck_assert_int_eq(log_outlet_drain(outlet), 0);
    ck_assert_uint_gt(outlet->patience, 0);
    ck_assert_uint_le(outlet->patience, LOG_OUTLET_PATIENCE_MAX);
}
END_TEST

/* ---- Standard error ---- */

static int saved_stderr;

static void put_stderr(int fd)
{
    saved_stderr = dup(STDERR_FILENO);
    ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
}

static Log *log_to_stderr(void)
{
    Log *log = NULL;

    ck_assert_int_eq(log_new(LOG_TARGET_STDERR, &log, NULL), 0);
    return log;
}

static void write_numbered(Log *log, unsigned number)
{
    make_numbered(number);
    memcpy(log_entry(log), &entry, sizeof(entry));
    for (size_t i = 0; i < entry.n_fields; i++)
        log_entry(log)->fields[i].iov_base =
            log_entry(log)->memory + ((char *)entry.fields[i].iov_base - entry.memory);
    log_write(log);
}

/* What is there to read now. */
static void read_available(int fd, Buffer *text)
{
    char chunk[65536];
    ssize_t n;

    while (n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT), n > 0)
        ck_assert_int_eq(buffer_append(text, chunk, (size_t)n), 0);
    if (n < 0 && errno == ENOTSOCK)
        while (n = read(fd, chunk, sizeof(chunk)), n > 0)
            ck_assert_int_eq(buffer_append(text, chunk, (size_t)n), 0);
}

/* Reads until the log has nothing left: every line is whole, the numbers rise, and those that miss
 * are as many as are said to be. */
static void check_all_is_told(Log *log, int fd, unsigned written)
{
    _cleanup_buffer_ Buffer text = {0};
    unsigned seen = 0, lost = 0, last = 0, gaps = 0;
    char *at;

    do
        read_available(fd, &text);
    while (log_retry(log) != 0);
    read_available(fd, &text);
    ck_assert_int_eq(buffer_append(&text, "", 1), 0);
    for (at = strtok((char *)buffer_data(&text), "\r\n"); at; at = strtok(NULL, "\r\n")) {
        char *number = strstr(at, " info entry "), *note = strstr(at, " log entries before this");

        ck_assert_msg(strstr(at, " event="), "not whole: %s", at);
        if (note) {
            gaps++;
            lost += (unsigned)strtoul(strstr(at, " error ") + 7, NULL, 10);
            continue;
        }
        ck_assert_msg(number, "%s", at);
        ck_assert_uint_gt(strtoul(number + 12, NULL, 10), last);
        last = (unsigned)strtoul(number + 12, NULL, 10);
        seen++;
    }
    ck_assert_uint_eq(gaps, 1);
    ck_assert_uint_gt(lost, 0);
    ck_assert_uint_eq(seen + lost, written);
}

/* Nobody reads; then somebody does. */
static void stop_and_go_on(int fd, int reader, bool can_be_opened)
{
    Log *log;
    int again;

    put_stderr(fd);
    again = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_eq(again >= 0, can_be_opened);
    close_p(&again);
    log = log_to_stderr();
    for (unsigned i = 1; i <= MANY; i++)
        write_numbered(log, i);
    ck_assert_int_eq(log_retry(log), -EAGAIN);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    check_all_is_told(log, reader, MANY);
    log_free(log);
    (void)dup2(saved_stderr, STDERR_FILENO);
}

START_TEST(a_pipe_that_nobody_reads_holds_nothing_up)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    stop_and_go_on(ends[1], ends[0], true);
}
END_TEST

START_TEST(nor_does_one_that_cannot_be_opened_anew)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(fchmod(ends[1], 0), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    stop_and_go_on(ends[1], ends[0], false);
    ck_assert_int_eq(seteuid(getuid()), 0);
    (void)prctl(PR_SET_DUMPABLE, 1); /* for the leak checker */
}
END_TEST

START_TEST(nor_does_a_socket)
{
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    stop_and_go_on(ends[1], ends[0], false);
}
END_TEST

START_TEST(nor_does_a_terminal)
{
    int master, slave;

    ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
    ck_assert_int_eq(fcntl(master, F_SETFL, O_NONBLOCK), 0);
    stop_and_go_on(slave, master, true);
}
END_TEST

START_TEST(long_lines_stay_whole)
{
    static char large[ENTRY_MEMORY_BYTES / 2];
    _cleanup_buffer_ Buffer text = {0};
    unsigned lines = 0;
    int ends[2];
    Log *log;

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    put_stderr(ends[1]);
    log = log_to_stderr();
    memset(large, 'x', sizeof(large) - 1);
    for (unsigned i = 0; i < 8; i++) {
        Entry *e = log_entry(log);

        entry_start(e, LOG_INFO, "0123456789abcdef0123456789abcdef", "test");
        entry_open(e, "MESSAGE=");
        entry_text(e, large);
        entry_close(e);
        log_write(log);
    }
    do
        read_available(ends[0], &text);
    while (log_retry(log) != 0);
    read_available(ends[0], &text);
    for (const char *at = buffer_data(&text), *end = at + buffer_size(&text); at < end; lines++) {
        const char *next = memchr(at, '\n', (size_t)(end - at));

        ck_assert_ptr_nonnull(next);
        ck_assert_int_gt(next - at, (ssize_t)sizeof(large));
        at = next + 1;
    }
    ck_assert_uint_eq(lines, 8);
    log_free(log);
    (void)dup2(saved_stderr, STDERR_FILENO);
}
END_TEST

/* ---- The journal ---- */

static char journal_path[64];

static int bind_journal(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (!*journal_path) {
        strcpy(journal_path, "/tmp/outbox-journal-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(journal_path));
        strcat(journal_path, "/socket");
    }
    strcpy(address.sun_path, journal_path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void remove_journal(void)
{
    (void)unlink(journal_path);
    *strrchr(journal_path, '/') = '\0';
    (void)rmdir(journal_path);
}

static LogOutlet *open_journal(void)
{
    LogOutlet *outlet = NULL;

    ck_assert_int_eq(log_journal_new(journal_path, false, &outlet), 0);
    return outlet;
}

START_TEST(journald_gets_its_own_protocol)
{
    static const char wanted[] = "SYSLOG_IDENTIFIER=outboxd\n"
                                 "PRIORITY=6\n"
                                 "MESSAGE_ID=0123456789abcdef0123456789abcdef\n"
                                 "OUTBOX_EVENT=test\n"
                                 "MESSAGE\n"
                                 "\x07\0\0\0\0\0\0\0one\ntwo\n"
                                 "OUTBOX_ID=a=b\n";
    char got[1024];
    int journald = bind_journal();
    _cleanup_(log_outlet_free_p) LogOutlet *outlet = open_journal();

    make_entry("one\ntwo");
    entry_field(&entry, "OUTBOX_ID=", "a=b");
    ck_assert_int_eq(log_outlet_write(outlet, &entry), 0);
    ck_assert_int_eq(recv(journald, got, sizeof(got), 0), sizeof(wanted) - 1);
    ck_assert_mem_eq(got, wanted, sizeof(wanted) - 1);
    remove_journal();
}
END_TEST

/* Of one that has ended when its last words are read it is not known who it was. They are waited
 * for as long as LOG_OUTLET_PATIENCE_MAX. */
PATIENT_TEST(the_last_words_are_read_before_the_end)
{
    char got[1024];
    int journald = bind_journal();
    _cleanup_(log_outlet_free_p) LogOutlet *outlet = open_journal();
    pid_t reader;

    make_entry("the end");
    ck_assert_int_eq(log_outlet_write(outlet, &entry), 0);
    reader = fork();
    if (reader == 0) {
        usleep(50000);
        _exit(recv(journald, got, sizeof(got), 0) > 0 ? 0 : 1);
    }
    ck_assert_int_eq(log_outlet_finish(outlet), 0);
    ck_assert_int_eq(recv(journald, got, sizeof(got), 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(waitpid(reader, NULL, 0), reader);
    remove_journal();
}

START_TEST(journald_that_stops_is_not_waited_for)
{
    int journald = bind_journal(), r = 0;
    _cleanup_(log_outlet_free_p) LogOutlet *outlet = open_journal();
    unsigned written = 0, seen = 0;
    char got[1024];

    while (r == 0) {
        make_numbered(written);
        r = log_outlet_write(outlet, &entry);
        written += r == 0;
    }
    ck_assert_int_eq(r, -EAGAIN);
    ck_assert_uint_gt(buffer_size(&outlet->kept), LOG_OUTLET_KEPT_BYTES - 1000);
    /* It goes on: everything that was taken comes, in its order. */
    do {
        ssize_t n;

        while (n = recv(journald, got, sizeof(got) - 1, 0), n > 0) {
            char number[32];

            got[n] = '\0';
            snprintf(number, sizeof(number), "MESSAGE=entry %06u\n", seen++);
            ck_assert_ptr_nonnull(strstr(got, number));
        }
    } while (log_outlet_drain(outlet) == -EAGAIN || seen < written);
    ck_assert_uint_eq(seen, written);
    remove_journal();
}
END_TEST

START_TEST(another_journald_at_the_same_place_is_found)
{
    int journald = bind_journal();
    _cleanup_(log_outlet_free_p) LogOutlet *outlet = open_journal();
    char got[1024];

    make_numbered(1);
    ck_assert_int_eq(log_outlet_write(outlet, &entry), 0);
    close(journald);
    ck_assert_int_eq(log_outlet_write(outlet, &entry), -ECONNREFUSED);
    ck_assert_int_eq(unlink(journal_path), 0);
    ck_assert_int_eq(log_outlet_write(outlet, &entry), -ENOENT);
    journald = bind_journal();
    ck_assert_int_eq(log_outlet_write(outlet, &entry), 0);
    ck_assert_int_gt(recv(journald, got, sizeof(got), 0), 0);

    /* The old one is still there, and reads no more. */
    while (buffer_size(&outlet->kept) == 0)
        ck_assert_int_eq(log_outlet_write(outlet, &entry), 0);
    ck_assert_int_eq(unlink(journal_path), 0);
    journald = bind_journal();
    log_outlet_reconnect(outlet);
    ck_assert_int_eq(log_outlet_drain(outlet), 0);
    ck_assert_int_gt(recv(journald, got, sizeof(got), 0), 0);
    remove_journal();
}
END_TEST

/* Receives a descriptor and no data. */
static int receive_file(int journald)
{
    char data[16];
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {data, sizeof(data)};
    struct msghdr message = {.msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control)};
    int fd;

    ck_assert_int_eq(recvmsg(journald, &message, MSG_CMSG_CLOEXEC), 0);
    ck_assert_ptr_nonnull(CMSG_FIRSTHDR(&message));
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    return fd;
}

START_TEST(what_is_too_large_for_a_datagram_goes_as_a_file)
{
    static char large[ENTRY_MEMORY_BYTES / 2];
    int journald = bind_journal(), small = 1;
    _cleanup_(log_outlet_free_p) LogOutlet *outlet = open_journal();
    _cleanup_close_ int file = -1;
    char got[1024];
    struct stat st;

    make_numbered(1);
    ck_assert_int_eq(log_outlet_write(outlet, &entry), 0);
    ck_assert_int_gt(recv(journald, got, sizeof(got), 0), 0);
    ck_assert_int_eq(setsockopt(outlet->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    memset(large, 'x', sizeof(large) - 1);
    entry_start(&entry, LOG_INFO, "0123456789abcdef0123456789abcdef", "test");
    entry_open(&entry, "MESSAGE=");
    entry_text(&entry, large);
    entry_close(&entry);
    ck_assert_int_eq(log_outlet_write(outlet, &entry), 0);
    file = receive_file(journald);
    ck_assert_int_eq(fstat(file, &st), 0);
    ck_assert_int_gt(st.st_size, (off_t)sizeof(large));
    ck_assert_int_eq(
        fcntl(file, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    ck_assert_int_gt(pread(file, got, sizeof(got), 0), 0);
    ck_assert_int_eq(memcmp(got, "SYSLOG_IDENTIFIER=outboxd\n", 26), 0);
    remove_journal();
}
END_TEST

START_TEST(the_largest_entry_fits_a_record)
{
    char value[ENTRY_VALUE_MAX];
    int journald = bind_journal();
    _cleanup_(log_outlet_free_p) LogOutlet *outlet = open_journal();
    static char got[2 * ENTRY_MEMORY_BYTES];
    ssize_t n;

    memset(value, '\n', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    entry_start(&entry, LOG_INFO, "0123456789abcdef0123456789abcdef", "test");
    while (entry.n_fields < ENTRY_FIELDS_MAX && entry.used < ENTRY_MEMORY_BYTES) {
        entry_open(&entry, "OUTBOX_RECIPIENT=");
        entry_text(&entry, value);
        entry_close(&entry);
    }
    ck_assert_int_eq(log_outlet_write(outlet, &entry), 0);
    n = recv(journald, got, sizeof(got), 0);
    ck_assert_int_gt(n, (ssize_t)(ENTRY_MEMORY_BYTES - 2 * ENTRY_VALUE_MAX));
    ck_assert_int_eq(got[n - 1], '\n');
    remove_journal();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("daemon/log_outlet");
    TCase *tc = tcase_create("outlet");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, entries_leave_whole_and_in_order);
    tcase_add_test(tc, another_reader_gets_the_whole_entry);
    tcase_add_test(tc, patience_is_earned_and_ends);
    tcase_add_test(tc, a_pipe_that_nobody_reads_holds_nothing_up);
    tcase_add_test(tc, nor_does_one_that_cannot_be_opened_anew);
    tcase_add_test(tc, nor_does_a_socket);
    tcase_add_test(tc, nor_does_a_terminal);
    tcase_add_test(tc, long_lines_stay_whole);
    tcase_add_test(tc, journald_gets_its_own_protocol);
    tcase_add_test(tc, the_last_words_are_read_before_the_end);
    tcase_add_test(tc, journald_that_stops_is_not_waited_for);
    tcase_add_test(tc, another_journald_at_the_same_place_is_found);
    tcase_add_test(tc, what_is_too_large_for_a_datagram_goes_as_a_file);
    tcase_add_test(tc, the_largest_entry_fits_a_record);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
