/* Name lookup and connecting: numeric addresses, localhost, a name that cannot be, secrets,
 * refusal, silence, several addresses. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/hostname.h"
#include "base/text.h"
#include "net/address.h"
#include "net/resolve.h"
#include "net/socket.h"
#include "server.h"
#include "settings/load.h"
#include "unit.h"

/* Settings own their strings; these are never freed. */
#define TEXT(literal) ((char *)(literal))

#define OVERRIDES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NEVER_A_HOST "a..b"

static Config *load(const char *const *overrides)
{
    _cleanup_failure_ Failure f = {0};
    Config *config = NULL;

    ck_assert_msg(config_load("/dev/null", overrides, &config, &f) == 0, "%s", failure_text(&f));
    return config;
}

static void wait_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    ck_assert_int_eq(poll(&p, 1, 20000), 1);
}

/* ---- lookup ---- */

static bool look_up(const LookupRequest *request, LookupResult *ret)
{
    _cleanup_(lookup_free_p) Lookup *lookup = NULL;
    bool at_once;

    ck_assert_int_eq(lookup_new(request, &lookup, NULL), 0);
    at_once = lookup_fd(lookup) < 0;
    if (!at_once)
        wait_readable(lookup_fd(lookup));
    ck_assert_int_eq(lookup_take(lookup, ret), 1);
    return at_once;
}

START_TEST(an_address_needs_no_thread)
{
    _cleanup_config_ Config *config =
        load(OVERRIDES("host=192.0.2.1", "port=2525", "local_host=127.0.0.2"));
    _cleanup_secret_ Secret *secret = secret_new("secret", 6);
    RelayConfig relay = config->relays[0];
    const LookupRequest request = {.config = config, .relay = &relay};
    LookupResult result;
    char text[ADDRESS_TEXT_MAX];

    relay.password.value = secret;
    ck_assert(look_up(&request, &result));
    ck_assert_int_eq(result.error, 0);
    ck_assert_uint_eq(result.n_addresses, 1);
    ck_assert_str_eq(address_format(&result.addresses[0], text), "192.0.2.1:2525");
    ck_assert_str_eq(address_format_literal(&result.addresses[0], text), "[192.0.2.1]");
    ck_assert(!address_is_loopback(&result.addresses[0]));
    ck_assert_uint_eq(result.n_local, 1);
    ck_assert_str_eq(address_format_host(&result.local[0], text), "127.0.0.2");
    ck_assert(address_is_loopback(&result.local[0]));
    ck_assert_str_eq(secret_text(result.password), "secret");
    ck_assert_ptr_null(result.tls_key_password);
    ck_assert_ptr_null(result.host_name);
    lookup_result_done(&result);
}
END_TEST

/* Whatever ip_version says: the default must not make a relay of "::1" a mistake. */
START_TEST(an_ipv6_address_says_its_family)
{
    _cleanup_config_ Config *config =
        load(OVERRIDES("host=2001:db8::1", "port=25", "ip_version=0"));
    const LookupRequest request = {.config = config, .relay = &config->relays[0]};
    LookupResult result;
    char text[ADDRESS_TEXT_MAX];

    ck_assert(look_up(&request, &result));
    ck_assert_int_eq(result.error, 0);
    ck_assert_str_eq(address_format(&result.addresses[0], text), "[2001:db8::1]:25");
    ck_assert_str_eq(address_format_literal(&result.addresses[0], text), "[IPv6:2001:db8::1]");
    ck_assert(!address_is_loopback(&result.addresses[0]));
    lookup_result_done(&result);
}
END_TEST

START_TEST(localhost_is_looked_up_beside_the_caller)
{
    _cleanup_config_ Config *config = load(OVERRIDES("host=localhost", "port=25", "ip_version=0"));
    const LookupRequest request = {
        .config = config, .relay = &config->relays[0], .host_name = true};
    LookupResult result;

    ck_assert(!look_up(&request, &result));
    ck_assert_msg(result.error == 0, "%s", failure_text(&result.failure));
    ck_assert_uint_ge(result.n_addresses, 1);
    for (size_t i = 0; i < result.n_addresses; i++)
        ck_assert(address_is_loopback(&result.addresses[i]));
    if (result.host_name)
        ck_assert_ptr_nonnull(strchr(result.host_name, '.'));
    lookup_result_done(&result);
}
END_TEST

START_TEST(a_name_that_is_not_known_is_told)
{
    _cleanup_config_ Config *config = load(OVERRIDES("host=localhost", "port=25", "ip_version=1"));
    LookupRequest request = {.config = config, .relay = &config->relays[0]};
    RelayConfig relay = config->relays[0];
    LookupResult result;

    relay.host = TEXT(NEVER_A_HOST);
    request.relay = &relay;
    (void)look_up(&request, &result);
    ck_assert_int_lt(result.error, 0);
    ck_assert(!result.secret_failed);
    ck_assert_int_eq(result.failure.number, ERROR_HOST_NOT_FOUND);
    ck_assert_msg(strstr(failure_text(&result.failure), NEVER_A_HOST) &&
                      strstr(failure_text(&result.failure), "the setting host") &&
                      strstr(failure_text(&result.failure), "IPv6"),
        "%s", failure_text(&result.failure));
    lookup_result_done(&result);
    relay.host = TEXT("127.0.0.1");
    relay.local_host = TEXT(NEVER_A_HOST);
    (void)look_up(&request, &result);
    ck_assert_int_eq(result.failure.number, ERROR_HOST_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(failure_text(&result.failure), "the setting local_host"));
    lookup_result_done(&result);
}
END_TEST

START_TEST(secrets_come_with_the_lookup)
{
    _cleanup_config_ Config *config = load(OVERRIDES("host=127.0.0.1", "port=25"));
    RelayConfig relay = config->relays[0];
    LookupRequest request = {.config = config, .relay = &relay, .tls_key_password = true};
    LookupResult result;

    relay.password.command = TEXT("echo sesame");
    relay.tls_key_password.command = TEXT("echo key");
    ck_assert(!look_up(&request, &result));
    ck_assert_msg(result.error == 0, "%s", failure_text(&result.failure));
    ck_assert_str_eq(secret_text(result.password), "sesame");
    ck_assert_str_eq(secret_text(result.tls_key_password), "key");
    lookup_result_done(&result);
    relay.password.command = TEXT("exit 3");
    ck_assert(!look_up(&request, &result));
    ck_assert_int_lt(result.error, 0);
    ck_assert(result.secret_failed);
    ck_assert_ptr_nonnull(strstr(failure_text(&result.failure), "exit 3"));
    lookup_result_done(&result);
}
END_TEST

/* The thread goes on by itself; it holds what it needs. */
START_TEST(a_lookup_can_be_left_alone)
{
    for (unsigned i = 0; i < 20; i++) {
        _cleanup_config_ Config *config = load(OVERRIDES("host=localhost", "port=25"));
        const LookupRequest request = {
            .config = config, .relay = &config->relays[0], .host_name = true};
        Lookup *lookup = NULL;
        LookupResult result;

        ck_assert_int_eq(lookup_new(&request, &lookup, NULL), 0);
        if (i % 2 == 0 && lookup_take(lookup, &result) == 1)
            lookup_result_done(&result);
        lookup_free(lookup);
    }
    (void)poll(NULL, 0, 300); /* so that a sanitizer sees them end */
}
END_TEST

START_TEST(a_host_name_is_fit_for_ehlo_or_none)
{
    _cleanup_free_
    char *name = NULL;

    ck_assert_int_eq(host_name_get(&name), 0);
    if (name) {
        ck_assert_ptr_nonnull(strchr(name, '.'));
        ck_assert(!text_starts_nocase(name, "localhost"));
    }
    if (host_name_is_qualified())
        ck_assert_ptr_nonnull(name);
}
END_TEST

/* ---- connecting ---- */

static struct sockaddr_storage loopback(uint16_t port)
{
    struct sockaddr_storage address = {.ss_family = AF_INET};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;

    v4->sin_port = htons(port);
    v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* A port that refuses, for nothing listens; the descriptor keeps it. */
static int reserve_port(uint16_t *ret_port)
{
    int listening = test_listen(1, ret_port);
    struct sockaddr_storage address = loopback(*ret_port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    close(listening);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, address_size(&address)), 0);
    return fd;
}

/* A port that answers nothing: its queue of connections is full. */
static void make_blackhole(uint16_t *ret_port, int fds[static 5])
{
    struct sockaddr_storage address;

    fds[0] = test_listen(0, ret_port);
    address = loopback(*ret_port);
    for (unsigned i = 1; i < 5; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fds[i], (struct sockaddr *)&address, address_size(&address));
    }
}

/* The connected descriptor, or a negative errno. */
static int dial(const RelayConfig *relay, struct sockaddr_storage *addresses, size_t n, Failure *f)
{
    const LookupResult found = {.addresses = addresses, .n_addresses = n};
    _cleanup_(socket_dial_free_p) SocketDial *d = NULL;
    int r;

    ck_assert_int_eq(socket_dial_new(relay, &found, clock_monotonic(), &d), 0);
    while ((r = socket_dial_step(d, clock_monotonic(), f)) == 0) {
        struct pollfd p = {.fd = socket_dial_fd(d), .events = POLLOUT};
        usec_t deadline = socket_dial_deadline(d), now = clock_monotonic();

        (void)poll(&p, 1, deadline > now ? (int)((deadline - now) / 1000) + 1 : 0);
    }
    return r < 0 ? r : socket_dial_take(d);
}

START_TEST(a_refusal_is_told)
{
    uint16_t port;
    _unused_ _cleanup_close_ int reserved = reserve_port(&port);
    struct sockaddr_storage address = loopback(port);
    const RelayConfig relay = {
        .host = TEXT("mail.test"), .port = port, .timeout = 5 * USEC_PER_SEC};
    _cleanup_failure_ Failure f = {0};
    char words[64];

    ck_assert_int_eq(dial(&relay, &address, 1, &f), -ECONNREFUSED);
    ck_assert_int_eq(f.number, 10061);
    snprintf(words, sizeof(words), "mail.test port %u (127.0.0.1: Connection refused)", port);
    ck_assert_msg(strstr(failure_text(&f), words), "%s", failure_text(&f));
}
END_TEST

START_TEST(silence_ends_after_the_time_allowed)
{
    uint16_t port;
    int fds[5];
    struct sockaddr_storage address;
    const RelayConfig relay = {.host = TEXT("mail.test"),
        .timeout = 60 * USEC_PER_SEC,
        .connect_timeout = 300 * USEC_PER_MSEC};
    _cleanup_failure_ Failure f = {0};
    usec_t before = clock_monotonic(), took;

    make_blackhole(&port, fds);
    address = loopback(port);
    ck_assert_int_eq(dial(&relay, &address, 1, &f), -ETIMEDOUT);
    took = clock_monotonic() - before;
    ck_assert_uint_ge(took, 290 * USEC_PER_MSEC);
    ck_assert_uint_lt(took, 50 * USEC_PER_SEC);
    ck_assert_int_eq(f.number, ERROR_CONNECTION_TIMED_OUT);
    ck_assert_msg(strstr(failure_text(&f), "firewall"), "%s", failure_text(&f));
    for (unsigned i = 0; i < 5; i++)
        close(fds[i]);
}
END_TEST

/* One that is silent, one that refuses, one that answers: each gets its share of the time. */
START_TEST(every_address_gets_a_chance)
{
    uint16_t silent_port, refusing_port, good_port;
    int fds[5];
    int connected, value = 0;
    socklen_t n = sizeof(value);
    _unused_ _cleanup_close_ int reserved = reserve_port(&refusing_port);
    _unused_ _cleanup_close_ int listening = test_listen(5, &good_port);
    struct sockaddr_storage addresses[3];
    const RelayConfig relay = {.host = TEXT("mail.test"),
        .timeout = 900 * USEC_PER_MSEC,
        .tcp_nodelay = true,
        .keepalive = true,
        .keepalive_time = 90 * USEC_PER_SEC,
        .keepalive_interval = 7 * USEC_PER_SEC,
        .send_buffer = 65536,
        .receive_buffer = 65536};
    _cleanup_failure_ Failure f = {0};

    make_blackhole(&silent_port, fds);
    addresses[0] = loopback(silent_port);
    addresses[1] = loopback(refusing_port);
    addresses[2] = loopback(good_port);
    connected = dial(&relay, addresses, 3, &f);
    ck_assert_msg(connected >= 0, "%s", failure_text(&f));
    getsockopt(connected, IPPROTO_TCP, TCP_KEEPIDLE, &value, &n);
    ck_assert_int_eq(value, 90);
    getsockopt(connected, IPPROTO_TCP, TCP_NODELAY, &value, &n);
    ck_assert_int_ne(value, 0);
    close(connected);
    ck_assert_int_eq(dial(&relay, addresses, 2, &f), -ECONNREFUSED);
    ck_assert_msg(
        strstr(failure_text(&f), "127.0.0.1: Connection timed out, 127.0.0.1: Connection refused"),
        "%s", failure_text(&f));
    for (unsigned i = 0; i < 5; i++)
        close(fds[i]);
}
END_TEST

START_TEST(the_source_address_is_that_of_the_settings)
{
    uint16_t port;
    _unused_ _cleanup_close_ int listening = test_listen(5, &port);
    struct sockaddr_storage address = loopback(port), local = loopback(0), name;
    struct sockaddr_storage other_family = {.ss_family = AF_INET6};
    LookupResult found = {.addresses = &address, .n_addresses = 1, .local = &local, .n_local = 1};
    const RelayConfig relay = {.host = TEXT("mail.test"), .timeout = USEC_PER_SEC};
    _cleanup_failure_ Failure f = {0};
    socklen_t n = sizeof(name);
    char text[ADDRESS_TEXT_MAX];
    SocketDial *d;

    ((struct sockaddr_in *)&local)->sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    ck_assert_int_eq(socket_dial_new(&relay, &found, clock_monotonic(), &d), 0);
    ck_assert_int_ge(socket_dial_step(d, clock_monotonic(), &f), 0);
    ck_assert_int_eq(getsockname(socket_dial_fd(d), (struct sockaddr *)&name, &n), 0);
    ck_assert_str_eq(address_format_host(&name, text), "127.0.0.2");
    socket_dial_free(d);
    found.local = &other_family;
    ck_assert_int_eq(socket_dial_new(&relay, &found, clock_monotonic(), &d), 0);
    ck_assert_int_lt(socket_dial_step(d, clock_monotonic(), &f), 0);
    ck_assert_msg(strstr(failure_text(&f), "local_host"), "%s", failure_text(&f));
    socket_dial_free(d);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net resolve");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, an_address_needs_no_thread);
    tcase_add_test(tests, an_ipv6_address_says_its_family);
    tcase_add_test(tests, localhost_is_looked_up_beside_the_caller);
    tcase_add_test(tests, a_name_that_is_not_known_is_told);
    tcase_add_test(tests, secrets_come_with_the_lookup);
    tcase_add_test(tests, a_lookup_can_be_left_alone);
    tcase_add_test(tests, a_host_name_is_fit_for_ehlo_or_none);
    tcase_add_test(tests, a_refusal_is_told);
    tcase_add_test(tests, silence_ends_after_the_time_allowed);
    tcase_add_test(tests, every_address_gets_a_chance);
    tcase_add_test(tests, the_source_address_is_that_of_the_settings);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
