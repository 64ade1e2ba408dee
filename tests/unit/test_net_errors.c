/* net: whatever the kernel, a server or a name server says of a connection has its number, and
 * words that name the relay and what happened. Most of it is real; what this machine's kernel
 * cannot be brought to say over the loopback interface is put in the place of a call's result. */
#include <fcntl.h>
#include <netdb.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "delivery/advice.h"
#include "fake_names.h"
#include "net_client.h"

typedef enum Call {
    CALL_NONE,
    CALL_SOCKET,
    CALL_SETSOCKOPT,
    CALL_BIND,
    CALL_CONNECT,
    CALL_LATER, /* connect(), when it has been waited for */
    CALL_RECV,
    CALL_SEND,
} Call;

/* What is to fail, of this thread's calls alone: the server has its own. */
static _Thread_local struct {
    Call call;
    int error;         /* 0: what the kernel says of `replacement` */
    int replacement;   /* comes to be the descriptor; -1: it is closed */
    const char *trace; /* it is to have MAIL in it; NULL: at once */
    size_t at_least;   /* bytes to be sent */
    unsigned times;    /* so often; then all is well */
    unsigned hits;
} fault;

static bool fails(Call call)
{
    if (fault.call != call || fault.times == 0 || (fault.trace && !strstr(fault.trace, "MAIL")))
        return false;
    fault.times--;
    fault.hits++;
    errno = fault.error;
    return true;
}

/* Whether the call is to be made, with another descriptor behind its number. */
static bool replaces(int fd)
{
    if (fault.error != 0)
        return false;
    if (fault.replacement < 0)
        close(fd);
    else
        ck_assert_int_eq(dup2(fault.replacement, fd), fd);
    return true;
}

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t n);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t n);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *n);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *n);
int __real_bind(int fd, const struct sockaddr *address, socklen_t n);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t n);
int __real_connect(int fd, const struct sockaddr *address, socklen_t n);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t n);
ssize_t __real_recv(int fd, void *data, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t n, int flags);
ssize_t __real_send(int fd, const void *data, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t n, int flags);

int __wrap_socket(int family, int type, int protocol)
{
    return fails(CALL_SOCKET) ? -1 : __real_socket(family, type, protocol);
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t n)
{
    return fails(CALL_SETSOCKOPT) ? -1 : __real_setsockopt(fd, level, name, value, n);
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *n)
{
    if (name != SO_ERROR || !fails(CALL_LATER))
        return __real_getsockopt(fd, level, name, value, n);
    *(int *)value = fault.error;
    return 0;
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t n)
{
    return fails(CALL_BIND) ? -1 : __real_bind(fd, address, n);
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t n)
{
    int r = fails(CALL_CONNECT) ? -1 : __real_connect(fd, address, n);

    if (fault.call != CALL_LATER || r < 0)
        return r;
    errno = EINPROGRESS; /* over the loopback interface it is done at once */
    return -1;
}

ssize_t __wrap_recv(int fd, void *data, size_t n, int flags)
{
    if (fails(CALL_RECV) && !replaces(fd))
        return -1;
    return __real_recv(fd, data, n, flags);
}

ssize_t __wrap_send(int fd, const void *data, size_t n, int flags)
{
    if (n >= fault.at_least && fails(CALL_SEND) && !replaces(fd))
        return -1;
    return __real_send(fd, data, n, flags);
}

/* ---- what a user gets of it ---- */

static void check_words(const Client *client, const char *word)
{
    ck_assert_msg(strstr(client->text, word), "\"%s\" lacks \"%s\"", client->text, word);
}

/* Where there is no reason that has words of its own, there is advice for the stage. */
static void check_remedy(const Client *client)
{
    DeliveryOutcome outcome = client->outcome;

    outcome.text = client->text;
    ck_assert_msg(advice_on(&outcome, client->config->relays[0]) || strstr(client->text, "; ") ||
                      strstr(client->text, ": check "),
        "\"%s\" says nothing of what to do", client->text);
}

/* To a port where somebody listens. */
static void check_connecting(Call call, int error, int number)
{
    uint16_t port;
    _unused_ _cleanup_close_ int listening = test_listen(5, &port);
    Client client =
        client_for(port, SETTINGS("tls=none", "tcp_nodelay=true", "local_host=127.0.0.1",
                             "timeout=60s", "timeout_by_stage=false"));
    char place[64];

    snprintf(place, sizeof(place), "127.0.0.1 port %u (", port);
    fault = (typeof(fault)){.call = call, .error = error, .times = 1};
    client_run(&client, 0);
    ck_assert_uint_eq(fault.hits, 1);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_CONNECT, number);
    check_words(&client, place);
    if (call != CALL_BIND || error != EACCES)
        check_words(&client, strerrordesc_np(error));
    check_remedy(&client);
    ck_assert_int_ne(client.outcome.cause, CAUSE_REPLY);
    fault.call = CALL_NONE;
    client_done(&client);
}

static const struct {
    Call call;
    int error, number;
} connecting[] = {
    {CALL_SOCKET, EACCES, 10013},
    {CALL_SOCKET, EPERM, 10013},
    {CALL_SOCKET, EINVAL, 10022},
    {CALL_SOCKET, EMFILE, 10024},
    {CALL_SOCKET, ENFILE, 10024},
    {CALL_SOCKET, EPROTOTYPE, 10041},
    {CALL_SOCKET, EPROTONOSUPPORT, 10043},
    {CALL_SOCKET, ESOCKTNOSUPPORT, 10044},
    {CALL_SOCKET, EPFNOSUPPORT, 10046},
    {CALL_SOCKET, EAFNOSUPPORT, 10047},
    {CALL_SOCKET, ENOBUFS, 10055},
    {CALL_SETSOCKOPT, EBADF, 10009},
    {CALL_SETSOCKOPT, EFAULT, 10014},
    {CALL_SETSOCKOPT, ENOTSOCK, 10038},
    {CALL_SETSOCKOPT, ENOPROTOOPT, 10042},
    {CALL_SETSOCKOPT, EOPNOTSUPP, 10045},
    {CALL_BIND, EACCES, 10013},
    {CALL_BIND, EADDRINUSE, 10048},
    {CALL_BIND, EADDRNOTAVAIL, 10049},
    {CALL_CONNECT, EINTR, 10004},
    {CALL_CONNECT, EWOULDBLOCK, 10035},
    {CALL_CONNECT, EALREADY, 10037},
    {CALL_CONNECT, ENETDOWN, 10050},
    {CALL_CONNECT, ENETUNREACH, 10051},
    {CALL_CONNECT, ECONNABORTED, 10053},
    {CALL_CONNECT, EISCONN, 10056},
    {CALL_CONNECT, ECONNREFUSED, 10061},
    {CALL_CONNECT, EHOSTDOWN, 10064},
    {CALL_CONNECT, EHOSTUNREACH, 10065},
    {CALL_CONNECT, ENONET, 10091},
    {CALL_CONNECT, EPROTO, 162},
    {CALL_LATER, ENETDOWN, 10050},
    {CALL_LATER, ENETUNREACH, 10051},
    {CALL_LATER, ECONNRESET, 10054},
    {CALL_LATER, ETIMEDOUT, 10060},
    {CALL_LATER, EHOSTUNREACH, 10065},
};

/* Errors 10004, 10009, 10013, 10014, 10022, 10024, 10035, 10037, 10038, 10041, 10042, 10043, 10044,
 * 10045, 10046, 10047, 10048, 10049, 10050, 10051, 10053, 10054, 10055, 10056, 10060, 10061, 10064,
 * 10065, 10091; 162 for what has no number */
START_TEST(what_is_said_of_connecting_is_told_by_its_number)
{
    check_connecting(connecting[_i].call, connecting[_i].error, connecting[_i].number);
}
END_TEST

static const struct {
    Call call;
    int error, number;
} talking[] = {
    {CALL_RECV, EBADF, 10009},
    {CALL_RECV, EFAULT, 10014},
    {CALL_RECV, ENOTSOCK, 10038},
    {CALL_RECV, EOPNOTSUPP, 10045},
    {CALL_RECV, ENETDOWN, 10050},
    {CALL_RECV, ENETRESET, 10052},
    {CALL_RECV, ECONNABORTED, 10053},
    {CALL_RECV, ECONNRESET, 10054},
    {CALL_RECV, ENOBUFS, 10055},
    {CALL_RECV, ENOTCONN, 10057},
    {CALL_RECV, ETIMEDOUT, 10060},
    {CALL_RECV, EHOSTUNREACH, 10065},
    {CALL_RECV, EPROTO, 162},
    {CALL_SEND, EDESTADDRREQ, 10039},
    {CALL_SEND, EMSGSIZE, 10040},
    {CALL_SEND, EPIPE, 10054},
    {CALL_SEND, EISCONN, 10056},
    {CALL_SEND, ESHUTDOWN, 10058},
    {CALL_SEND, ETOOMANYREFS, 10059},
    {CALL_SEND, EHOSTDOWN, 10064},
};

#define LISTENS "S: 220 server.test\n" EHLO "SILENCE\n"
#define ANSWERS "S: 220 server.test\n" EHLO "C: MAIL\nS: 250 ok\nSILENCE\n"

/* Errors 10009, 10014, 10038, 10039, 10040, 10045, 10050, 10052, 10053, 10054, 10055, 10056, 10057,
 * 10058, 10059, 10060, 10064, 10065; 162 for what has no number. In clear and in TLS. */
START_TEST(what_is_said_of_a_connection_is_told_by_its_number)
{
    bool tls = _i % 2 == 1, reads = talking[_i / 2].call == CALL_RECV;
    const char *clear = reads ? ANSWERS : LISTENS;
    const char *hidden = reads ? "TLS\n" ANSWERS : "TLS\n" LISTENS;
    const TestServerOptions options = {.certificate = tls ? &certificate : NULL};
    TestServer *server = test_server_start(SCRIPTS(tls ? hidden : clear), &options);
    Client client =
        client_for(test_server_port(server), tls ? SETTINGS("tls=implicit") : SETTINGS("tls=none"));

    fault = (typeof(fault)){.call = talking[_i / 2].call,
        .error = talking[_i / 2].error,
        .trace = client.trace,
        .times = 1};
    client_run(&client, 0);
    ck_assert_uint_eq(fault.hits, 1);
    fault.call = CALL_NONE;
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_MAIL, talking[_i / 2].number);
    check_words(&client, "connection lost while waiting for the reply to MAIL: 127.0.0.1 (");
    check_words(&client, strerrordesc_np(talking[_i / 2].error));
    check_remedy(&client);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

/* Errors 10004, 10035 and 10036 are no failures of a connection: it goes on. */
START_TEST(what_only_means_later_is_waited_for)
{
    static const int errors[] = {EINTR, EAGAIN, EWOULDBLOCK};
    static const Call calls[] = {CALL_RECV, CALL_SEND};

    for (size_t i = 0; i < ELEMENTSOF(errors) * ELEMENTSOF(calls); i++) {
        TestServer *server =
            test_server_start(SCRIPTS("S: 220 server.test\n" EHLO MESSAGE QUIT), NULL);
        Client client = client_for(test_server_port(server), SETTINGS("tls=none"));

        fault = (typeof(fault)){.call = calls[i % 2], .error = errors[i / 2], .times = 3};
        client_run(&client, 0);
        ck_assert_uint_eq(fault.hits, 3);
        fault.call = CALL_NONE;
        check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
        ck_assert_uint_eq(client.delivered, 1);
        test_server_stop(server);
        client_done(&client);
    }
}
END_TEST

/* ---- what this machine's kernel itself says ---- */

static void check_fails(
    uint16_t port, const char *const *settings, DeliveryStage stage, int number, const char *word)
{
    Client client = client_for(port, settings);

    client_run(&client, 0);
    check_outcome(&client, DELIVERY_CUT_OFF, stage, number);
    check_words(&client, word);
    check_remedy(&client);
    client_done(&client);
}

/* Errors 10047, 10048, 10049 and 10061 */
START_TEST(the_kernel_itself_says_so_of_connecting)
{
    uint16_t port, other;
    char setting[32];
    _unused_ _cleanup_close_ int listening = test_listen(5, &port);
    int taken = test_listen(5, &other);

    snprintf(setting, sizeof(setting), "local_port=%u", other);
    check_fails(port, SETTINGS("tls=none", "local_host=127.0.0.1", setting), STAGE_CONNECT, 10048,
        "Address already in use); another connection has local_port");
    check_fails(port, SETTINGS("tls=none", "local_host=192.0.2.1"), STAGE_CONNECT, 10049,
        "Cannot assign requested address); local_host must be an address of this machine");
    check_fails(port, SETTINGS("tls=none", "local_host=::1"), STAGE_CONNECT, 10047,
        "local_host is of another family); check that local_host and the relay have addresses of "
        "one family");
    close(taken);
    check_fails(other, SETTINGS("tls=none"), STAGE_CONNECT, 10061,
        "Connection refused); nothing listens there");
}
END_TEST

/* Error 10060: nobody answers. */
START_TEST(no_answer_is_told)
{
    uint16_t port;
    int listening = test_listen(5, &port), silent;

    close(listening);
    silent = fill_queue("127.0.0.1", port);
    check_fails(port, SETTINGS("tls=none", "connect_timeout=0.3s"), STAGE_CONNECT, 10060,
        "Connection timed out); no answer came");
    close(silent);
}
END_TEST

/* Error 10024: there is no descriptor for the socket. */
START_TEST(the_limit_of_open_files_is_told)
{
    uint16_t port;
    _unused_ _cleanup_close_ int listening = test_listen(5, &port);
    Client client = client_for(port, SETTINGS("tls=none"));
    struct rlimit limit;

    ck_assert_int_eq(
        connection_new(client.shared, on_trace, &client, clock_monotonic(), &client.connection), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = 3, .rlim_max = limit.rlim_max}), 0);
    run_by_poll(&client);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_CONNECT, 10024);
    ck_assert_int_eq(client.outcome.cause, CAUSE_OWN);
    check_words(&client, "Too many open files); raise the limit of open files");
    connection_free(client.connection);
    client_done(&client);
}
END_TEST

static void check_replaced(
    const char *script, Call call, int replacement, size_t at_least, int number, const char *word)
{
    TestServer *server = test_server_start(SCRIPTS(script), NULL);
    Client client = client_for(test_server_port(server), SETTINGS("tls=none"));

    client.message_bytes = 100000;
    fault = (typeof(fault)){.call = call,
        .replacement = replacement,
        .trace = client.trace,
        .at_least = at_least,
        .times = 1};
    client_run(&client, 0);
    ck_assert_uint_eq(fault.hits, 1);
    fault.call = CALL_NONE;
    ck_assert_int_eq(client.outcome.kind, DELIVERY_CUT_OFF);
    ck_assert_msg(client.outcome.error == number, "%d: %s", client.outcome.error, client.text);
    check_words(&client, word);
    test_server_stop(server);
    client_done(&client);
}

#define TAKES                                                                \
    "S: 220 server.test\n" EHLO ENVELOPE "S: 250 sender\nS: 250 recipient\n" \
    "S: 354 go ahead\nSILENCE\n"

/* Errors 10009, 10038, 10039, 10040 and 10057: what the kernel says where a connection's descriptor
 * has come to be another, as a mistake in a program around the library could make it. */
START_TEST(the_kernel_itself_says_so_of_another_descriptor)
{
    _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    _cleanup_close_ int datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    _cleanup_close_ int unconnected =
        socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int small[2], size = 1;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, small), 0);
    ck_assert_int_eq(setsockopt(small[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    check_replaced(ANSWERS, CALL_RECV, -1, 0, 10009, "Bad file descriptor");
    check_replaced(ANSWERS, CALL_RECV, null, 0, 10038, "Socket operation on non-socket");
    check_replaced(LISTENS, CALL_SEND, datagrams, 0, 10039, "Destination address required");
    check_replaced(TAKES, CALL_SEND, small[0], 16000, 10040, "Message too long");
    check_replaced(
        ANSWERS, CALL_RECV, unconnected, 0, 10057, "Transport endpoint is not connected");
    close(small[0]);
    close(small[1]);
}
END_TEST

/* Errors 161, 201, 1120 and 10054: what a server does. */
PATIENT_TEST(what_a_server_does_is_told_by_its_number)
{
    static const struct {
        const char *script;
        DeliveryStage stage;
        int number;
        const char *word;
    } cases[] = {
        {"S: 554-5.7.1 not\nS: 554 5.7.1 you\n", STAGE_GREETING, 161, "not you"},
        {"S: 220 hi\nC: EHLO\nS: 421 4.3.2 going down\n", STAGE_EHLO, 161, "going down"},
        {"S: what is this\n", STAGE_GREETING, 161, "no SMTP reply, while waiting for the greeting"},
        {"S: 334 abc\n", STAGE_GREETING, 161,
            "unexpected reply while waiting for the greeting: 334 abc"},
        {"S: 220 hi\nC: EHLO\nSILENCE\n", STAGE_EHLO, 201, "while waiting for the reply to EHLO"},
        {"S: 220 hi\n" EHLO "C: MAIL\n", STAGE_MAIL, 1120,
            "connection lost while waiting for the reply to MAIL: 127.0.0.1 ("},
        {"RESET\n", STAGE_GREETING, 10054, "Connection reset by peer"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        TestServer *server = test_server_start(SCRIPTS(cases[i].script), NULL);

        check_fails(test_server_port(server),
            SETTINGS("tls=none",
                cases[i].number == ERROR_TIMEOUT ? BRIEF("timeout", 1000) : "timeout=60s",
                "timeout_by_stage=false"),
            cases[i].stage, cases[i].number, cases[i].word);
        test_server_stop(server);
    }
}

/* ---- names ---- */

/* Errors 11001, 11002, 11003, 11004; 10022, 10044, 10047 as getaddrinfo() has them */
START_TEST(what_a_name_server_says_is_told_by_its_number)
{
    static const struct {
        int code, number;
        const char *word;
        int error;
    } cases[] = {
        {EAI_SYSTEM, 10024, "Too many open files; raise the limit of open files", EMFILE},
        {EAI_SYSTEM, 10051, "cannot look up relay.test: Network is unreachable", ENETUNREACH},
        {EAI_SYSTEM, 11002, "cannot look up relay.test: No such file", ENOENT},
        {EAI_NONAME, 11001, "there is no host relay.test"},
        {EAI_AGAIN, 11002, "no name server gave an answer"},
        {EAI_FAIL, 11003, "the name server failed or refused"},
        {EAI_NODATA, 11004, "relay.test exists and has no address: "},
        {EAI_ADDRFAMILY, 11004, "relay.test exists and has no address: "},
        {EAI_FAMILY, 10047, "cannot look up relay.test: "},
        {EAI_SOCKTYPE, 10044, "cannot look up relay.test: "},
        {EAI_BADFLAGS, 10022, "cannot look up relay.test: "},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        names_begin(NULL);
        names.relay_code = cases[i].code;
        names.relay_error = cases[i].error;
        check_fails(25, SETTINGS("host=relay.test", "tls=none"), STAGE_LOOKUP, cases[i].number,
            cases[i].word);
    }
}
END_TEST

/* Error 102: a name, or a short form of an address, that leads to no server's. */
START_TEST(an_address_that_is_none_is_told)
{
    static const char *const none[] = {"0.0.0.0", "::", NULL}, *const one[] = {
                                                                   "0.0.0.0", "127.0.0.1", NULL};
    uint16_t port;
    int listening = test_listen(5, &port);

    names_begin(none);
    check_fails(25, SETTINGS("host=relay.test", "tls=none"), STAGE_LOOKUP, 102,
        "the lookup of relay.test gave 0.0.0.0 or ::, which is no server's address");
    check_fails(25, SETTINGS("host=0", "tls=none"), STAGE_LOOKUP, 102, "the lookup of 0 gave");
    /* Another address beside it is used. */
    names_begin(one);
    close(listening);
    check_fails(port, SETTINGS("host=relay.test", "tls=none"), STAGE_CONNECT, 10061,
        "(127.0.0.1: Connection refused)");
}
END_TEST

/* The status with which the tool ends. */
START_TEST(errors_of_connections_may_pass)
{
    for (size_t i = 0; i < ELEMENTSOF(connecting); i++) {
        const DeliveryOutcome lost = {.kind = DELIVERY_CUT_OFF,
            .cause = CAUSE_LOST,
            .stage = STAGE_CONNECT,
            .error = connecting[i].number};

        ck_assert_int_eq(
            advice_status(&lost), connecting[i].number == 10013 ? EX_NOPERM : EX_TEMPFAIL);
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net errors");
    TCase *tests = tcase_create("all");

    tcase_add_unchecked_fixture(tests, make_certificates, remove_certificates);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(
        tests, what_is_said_of_connecting_is_told_by_its_number, 0, ELEMENTSOF(connecting));
    tcase_add_loop_test(
        tests, what_is_said_of_a_connection_is_told_by_its_number, 0, 2 * ELEMENTSOF(talking));
    tcase_add_test(tests, what_only_means_later_is_waited_for);
    tcase_add_test(tests, the_kernel_itself_says_so_of_connecting);
    tcase_add_test(tests, no_answer_is_told);
    tcase_add_test(tests, the_limit_of_open_files_is_told);
    tcase_add_test(tests, the_kernel_itself_says_so_of_another_descriptor);
    tcase_add_test(tests, what_a_server_does_is_told_by_its_number);
    tcase_add_test(tests, what_a_name_server_says_is_told_by_its_number);
    tcase_add_test(tests, an_address_that_is_none_is_told);
    tcase_add_test(tests, errors_of_connections_may_pass);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
