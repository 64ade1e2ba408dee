/* What connections must know: at once where nothing can block, beside the caller elsewhere; jobs
 * that are shared, kept, and given up. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/errors.h"
#include "base/hostname.h"
#include "base/text.h"
#include "fake_names.h"
#include "net/address.h"
#include "net/lookup.h"
#include "settings/load.h"

/* Settings own their strings; these are never freed. */
#define TEXT(literal) ((char *)(literal))

#define OVERRIDES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ADDRESSES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NEVER_A_HOST "a..b"
#define T0 (1000 * USEC_PER_SEC) /* the time that the tests say it is */

typedef struct Scene {
    Worker *worker;
    Config *config;
    ConnectionShared *shared;
    RelayConfig *relay; /* to be changed before the first lookup */
} Scene;

static Scene begin(const char *const *overrides)
{
    _cleanup_failure_ Failure f = {0};
    Scene s = {0};

    ck_assert_int_eq(worker_new(&s.worker), 0);
    ck_assert_msg(config_load("/dev/null", overrides, &s.config, &f) == 0, "%s", failure_text(&f));
    s.relay = s.config->relays[0];
    ck_assert_int_eq(connection_shared_new(s.relay, s.worker, &s.shared), 0);
    return s;
}

static void end(Scene *s)
{
    (void)connection_shared_unref(s->shared);
    (void)config_unref(s->config);
    (void)worker_unref(s->worker);
}

/* Waits in truth for what comes, at a time that does not pass. Returns whether it had to. */
static bool wait_for(Lookup *lookup, usec_t now, LookupResult *ret)
{
    bool waited = false;

    while (lookup_step(lookup, now, ret) == 0) {
        struct pollfd p = {.fd = lookup_fd(lookup), .events = POLLIN};

        ck_assert_uint_gt(lookup_deadline(lookup), now);
        ck_assert_int_eq(poll(&p, 1, 20000), 1);
        waited = true;
    }
    return waited;
}

static bool look_up(Scene *s, usec_t now, LookupResult *ret)
{
    _cleanup_(lookup_free_p) Lookup *lookup = NULL;

    ck_assert_int_eq(lookup_new(s->shared, now, &lookup), 0);
    return wait_for(lookup, now, ret);
}

/* ---- what is found ---- */

START_TEST(an_address_needs_no_job)
{
    Scene s =
        begin(OVERRIDES("host=192.0.2.1", "port=2525", "local_host=127.0.0.2", "hello=a.test"));
    _cleanup_secret_ Secret *secret = secret_new("secret", 6);
    LookupResult result;
    char text[ADDRESS_TEXT_MAX];

    s.relay->password.value = secret_ref(secret);
    ck_assert(!look_up(&s, T0, &result));
    ck_assert_int_eq(result.error, 0);
    ck_assert_uint_eq(result.found.n_addresses, 1);
    ck_assert_str_eq(address_format(&result.found.addresses[0], text), "192.0.2.1:2525");
    ck_assert_str_eq(address_format_literal(&result.found.addresses[0], text), "[192.0.2.1]");
    ck_assert(!address_is_loopback(&result.found.addresses[0]));
    ck_assert_uint_eq(result.found.n_local, 1);
    ck_assert_str_eq(address_format_host(&result.found.local[0], text), "127.0.0.2");
    ck_assert(address_is_loopback(&result.found.local[0]));
    ck_assert_str_eq(secret_text(result.password), "secret");
    ck_assert_ptr_null(result.client);
    ck_assert_ptr_null(result.host_name);
    lookup_result_done(&result);
    end(&s);
}
END_TEST

/* Whatever this host can reach. */
START_TEST(an_ipv6_address_says_its_family)
{
    Scene s = begin(OVERRIDES("host=2001:db8::1", "port=25", "ip_version=1", "hello=a.test"));
    LookupResult result;
    char text[ADDRESS_TEXT_MAX];

    ck_assert(!look_up(&s, T0, &result));
    ck_assert_int_eq(result.error, 0);
    ck_assert_str_eq(address_format(&result.found.addresses[0], text), "[2001:db8::1]:25");
    ck_assert_str_eq(
        address_format_literal(&result.found.addresses[0], text), "[IPv6:2001:db8::1]");
    ck_assert(!address_is_loopback(&result.found.addresses[0]));
    lookup_result_done(&result);
    end(&s);
}
END_TEST

/* It is reached over IPv4, and servers compare what EHLO says with that address. */
START_TEST(a_mapped_address_is_written_as_ipv4)
{
    Scene s = begin(OVERRIDES("host=::ffff:192.0.2.1", "port=25", "hello=a.test"));
    LookupResult result;
    char text[ADDRESS_TEXT_MAX];

    ck_assert(!look_up(&s, T0, &result));
    ck_assert_int_eq(result.error, 0);
    ck_assert_str_eq(address_format(&result.found.addresses[0], text), "192.0.2.1:25");
    ck_assert_str_eq(address_format_literal(&result.found.addresses[0], text), "[192.0.2.1]");
    ck_assert(!address_is_loopback(&result.found.addresses[0]));
    lookup_result_done(&result);
    end(&s);
    s = begin(OVERRIDES("host=::ffff:127.0.0.3", "port=25", "hello=a.test"));
    ck_assert(!look_up(&s, T0, &result));
    ck_assert(address_is_loopback(&result.found.addresses[0]));
    lookup_result_done(&result);
    end(&s);
}
END_TEST

START_TEST(an_international_name_is_looked_up_by_its_alabel)
{
    Scene s = begin(OVERRIDES("host=b\xc3\xbc"
                              "cher.example",
        "port=25", "hello=a.test"));
    LookupResult result;

    names_begin(ADDRESSES("192.0.2.1"));
    (void)look_up(&s, T0, &result);
    ck_assert_msg(result.error == 0, "%s", failure_text(&result.failure));
    ck_assert_uint_eq(names_count(&names.relays), 1);
    lookup_result_done(&result);
    end(&s);
}
END_TEST

START_TEST(localhost_is_looked_up_beside_the_caller)
{
    Scene s = begin(OVERRIDES("host=localhost", "port=25", "ip_version=0"));
    LookupResult result;

    names_begin(ADDRESSES(NULL));
    (void)look_up(&s, T0, &result);
    ck_assert_msg(result.error == 0, "%s", failure_text(&result.failure));
    ck_assert_uint_ge(result.found.n_addresses, 1);
    for (size_t i = 0; i < result.found.n_addresses; i++)
        ck_assert(address_is_loopback(&result.found.addresses[i]));
    ck_assert_str_eq(result.host_name, "box.test");
    lookup_result_done(&result);
    end(&s);
}
END_TEST

/* What is found where the names of the scene lead, in order. */
static void check_found(const char *const *wanted, size_t n)
{
    Scene s = begin(OVERRIDES("host=relay.test", "port=25", "hello=a.test", "ip_version=2"));
    LookupResult result;
    char text[ADDRESS_TEXT_MAX];

    (void)look_up(&s, T0, &result);
    ck_assert_uint_eq(result.found.n_addresses, n);
    for (size_t i = 0; i < n; i++)
        ck_assert_str_eq(address_format(&result.found.addresses[i], text), wanted[i]);
    lookup_result_done(&result);
    end(&s);
}

START_TEST(the_families_take_turns)
{
    static const char *const wanted[] = {
        "[2001:db8::1]:25", "192.0.2.1:25", "[2001:db8::2]:25", "192.0.2.2:25", "192.0.2.3:25"};

    names_begin(ADDRESSES("2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2", "192.0.2.3"));
    check_found(wanted, ELEMENTSOF(wanted));
}
END_TEST

/* The C library says 127.0.0.1 for each line of localhost in /etc/hosts, that of ::1 too. */
START_TEST(an_address_is_there_once)
{
    static const char *const wanted[] = {"192.0.2.1:25", "[2001:db8::1]:25", "192.0.2.2:25"};

    names_begin(ADDRESSES("192.0.2.1", "2001:db8::1", "192.0.2.1", "2001:db8::1", "192.0.2.2"));
    check_found(wanted, ELEMENTSOF(wanted));
}
END_TEST

static void check_not_found(bool local, const char *setting, const char *word)
{
    Scene s = begin(OVERRIDES("host=::1", "port=25", "hello=a.test", "ip_version=1"));
    char **place = local ? &s.relay->local_host : &s.relay->host;
    LookupResult result;

    free(*place);
    *place = strdup(NEVER_A_HOST);
    (void)look_up(&s, T0, &result);
    ck_assert_int_lt(result.error, 0);
    ck_assert(!result.secret_failed);
    ck_assert(!result.own);
    ck_assert_int_eq(result.failure.number, ERROR_HOST_NOT_FOUND);
    ck_assert_msg(strstr(failure_text(&result.failure), NEVER_A_HOST) &&
                      strstr(failure_text(&result.failure), setting) &&
                      strstr(failure_text(&result.failure), word),
        "%s", failure_text(&result.failure));
    lookup_result_done(&result);
    end(&s);
}

/* UseIPv6: nor one without an address of the family. */
START_TEST(a_name_that_is_not_known_is_told)
{
    check_not_found(false, "the setting host", "IPv6");
    check_not_found(true, "the setting local_host", "spelling");
}
END_TEST

START_TEST(secrets_come_with_the_lookup)
{
    Scene s = begin(OVERRIDES("host=127.0.0.1", "port=25", "hello=a.test", "tls=starttls"));
    LookupResult result;

    s.relay->password.command = TEXT("echo sesame");
    s.relay->tls_certificate = TEXT(DATA_DIR "/rsa.pem");
    s.relay->tls_key = TEXT(DATA_DIR "/rsa-encrypted.key");
    s.relay->tls_key_password.command = TEXT("echo sesame");
    (void)look_up(&s, T0, &result);
    ck_assert_msg(result.error == 0, "%s", failure_text(&result.failure));
    ck_assert_str_eq(secret_text(result.password), "sesame");
    ck_assert_msg(result.client->error == 0, "%s", failure_text(&result.client->failure));
    ck_assert_ptr_nonnull(credentials_key(result.client));
    lookup_result_done(&result);
    s.relay->password.command = TEXT("exit 3"); /* asked anew, at once */
    (void)look_up(&s, T0, &result);
    ck_assert_int_lt(result.error, 0);
    ck_assert(result.secret_failed);
    ck_assert(result.own);
    ck_assert_ptr_nonnull(strstr(failure_text(&result.failure), "exit 3"));
    lookup_result_done(&result);
    s.relay->password.command = s.relay->tls_key_password.command = NULL;
    s.relay->tls_certificate = s.relay->tls_key = NULL;
    end(&s);
}
END_TEST

/* ---- what is shared ---- */

#define MANY 20

START_TEST(many_connections_make_one_lookup)
{
    Scene s = begin(OVERRIDES("host=relay.test", "port=25"));
    Lookup *lookups[MANY];
    LookupResult result;

    names_begin(ADDRESSES("192.0.2.1", "192.0.2.2"));
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_int_eq(lookup_new(s.shared, T0, &lookups[i]), 0);
    for (unsigned i = 0; i < MANY; i++) {
        (void)wait_for(lookups[i], T0, &result);
        ck_assert_int_eq(result.error, 0);
        ck_assert_uint_eq(result.found.n_addresses, 2);
        ck_assert_str_eq(result.host_name, "box.test");
        lookup_result_done(&result);
        lookup_free(lookups[i]);
    }
    ck_assert_uint_eq(names_count(&names.relays), 1);
    ck_assert_uint_eq(names_count(&names.boxes), 1);
    end(&s);
}
END_TEST

START_TEST(addresses_are_kept_for_a_short_while)
{
    Scene s = begin(OVERRIDES("host=relay.test", "port=25", "hello=a.test"));
    LookupResult result;

    names_begin(ADDRESSES("192.0.2.1"));
    (void)look_up(&s, T0, &result);
    lookup_result_done(&result);
    ck_assert(!look_up(&s, T0 + 29 * USEC_PER_SEC, &result));
    ck_assert_uint_eq(result.found.n_addresses, 1);
    lookup_result_done(&result);
    (void)look_up(&s, T0 + 30 * USEC_PER_SEC, &result);
    lookup_result_done(&result);
    ck_assert_uint_eq(names_count(&names.relays), 2);
    end(&s);
}
END_TEST

START_TEST(a_failed_lookup_is_kept_for_a_shorter_one)
{
    Scene s = begin(OVERRIDES("host=relay.test", "port=25", "hello=a.test"));
    LookupResult result;

    names_begin(ADDRESSES("192.0.2.1"));
    names.relay_code = EAI_AGAIN;
    for (unsigned i = 0; i < 2; i++) {
        (void)look_up(&s, T0 + i * 4 * USEC_PER_SEC, &result);
        ck_assert_int_lt(result.error, 0);
        ck_assert_int_eq(result.failure.number, ERROR_TRY_AGAIN);
        lookup_result_done(&result);
    }
    ck_assert_uint_eq(names_count(&names.relays), 1);
    names.relay_code = 0;
    (void)look_up(&s, T0 + 5 * USEC_PER_SEC, &result);
    ck_assert_int_eq(result.error, 0);
    lookup_result_done(&result);
    end(&s);
}
END_TEST

/* ---- what hangs ---- */

START_TEST(a_lookup_that_hangs_holds_up_its_relay_alone)
{
    Scene hung = begin(OVERRIDES("host=hung.test", "port=25", "hello=a.test", "timeout=60s"));
    Scene other = begin(OVERRIDES("host=relay.test", "port=25", "hello=a.test"));
    Lookup *lookup;
    LookupResult result;

    (void)connection_shared_unref(other.shared); /* it shares the worker */
    ck_assert_int_eq(connection_shared_new(other.config->relays[0], hung.worker, &other.shared), 0);
    names_begin(ADDRESSES("192.0.2.1"));
    for (unsigned i = 0; i < 10; i++) { /* each gives up in its time */
        ck_assert_int_eq(lookup_new(hung.shared, T0, &lookup), 0);
        ck_assert_int_eq(lookup_step(lookup, T0, &result), 0);
        ck_assert_uint_eq(lookup_deadline(lookup), T0 + USEC_PER_MINUTE);
        ck_assert_int_eq(lookup_step(lookup, T0 + USEC_PER_MINUTE, &result), 1);
        ck_assert_int_eq(result.error, -ETIMEDOUT);
        ck_assert_int_eq(result.failure.number, ERROR_TIMEOUT);
        ck_assert_ptr_nonnull(strstr(failure_text(&result.failure), "hung.test"));
        ck_assert(!result.own);
        lookup_result_done(&result);
        lookup_free(lookup);
    }
    (void)look_up(&other, T0, &result);
    ck_assert_int_eq(result.error, 0);
    lookup_result_done(&result);
    names_release();
    end(&other);
    end(&hung);
}
END_TEST

START_TEST(the_hosts_own_name_is_waited_for_a_short_while_only)
{
    Scene s = begin(OVERRIDES("host=192.0.2.1", "port=25", "timeout=60s"));
    Lookup *first, *second;
    LookupResult result;

    names_begin(ADDRESSES(NULL));
    names.box_hangs = true;
    ck_assert_int_eq(lookup_new(s.shared, T0, &first), 0);
    ck_assert_int_eq(lookup_new(s.shared, T0 + USEC_PER_SEC, &second), 0);
    ck_assert_int_eq(lookup_step(first, T0, &result), 0);
    ck_assert_uint_eq(lookup_deadline(first), T0 + 5 * USEC_PER_SEC);
    ck_assert_int_eq(lookup_step(second, T0 + USEC_PER_SEC, &result), 0);
    ck_assert_uint_eq(lookup_deadline(second), T0 + 5 * USEC_PER_SEC);
    ck_assert_int_eq(lookup_step(first, T0 + 5 * USEC_PER_SEC, &result), 1);
    ck_assert_int_eq(result.error, 0);
    ck_assert_ptr_null(result.host_name);
    lookup_result_done(&result);
    lookup_free(first);
    lookup_free(second);
    /* Later ones do not wait, and have the name when it has come. */
    ck_assert(!look_up(&s, T0 + 6 * USEC_PER_SEC, &result));
    ck_assert_ptr_null(result.host_name);
    lookup_result_done(&result);
    names_release();
    for (unsigned i = 0; i < 20000 && !result.host_name; i++) {
        ck_assert(!look_up(&s, T0 + 7 * USEC_PER_SEC, &result));
        if (result.host_name)
            break;
        lookup_result_done(&result);
        (void)poll(NULL, 0, 1);
    }
    ck_assert_str_eq(result.host_name, "box.test");
    lookup_result_done(&result);
    ck_assert_uint_eq(names_count(&names.boxes), 1);
    end(&s);
}
END_TEST

/* Nor longer than the relay's own time allows. */
START_TEST(the_hosts_own_name_fails_no_lookup)
{
    Scene s = begin(OVERRIDES("host=192.0.2.1", "port=25", "timeout=1s"));
    LookupResult result;
    Lookup *lookup;

    names_begin(ADDRESSES(NULL));
    names.box_hangs = true;
    ck_assert_int_eq(lookup_new(s.shared, T0, &lookup), 0);
    ck_assert_int_eq(lookup_step(lookup, T0, &result), 0);
    ck_assert_uint_eq(lookup_deadline(lookup), T0 + USEC_PER_SEC);
    ck_assert_int_eq(lookup_step(lookup, T0 + USEC_PER_SEC, &result), 1);
    ck_assert_int_eq(result.error, 0);
    ck_assert_uint_eq(result.found.n_addresses, 1);
    lookup_result_done(&result);
    lookup_free(lookup);
    names_release();
    end(&s);
}
END_TEST

/* The job goes on by itself; it holds what it needs. */
START_TEST(a_lookup_can_be_left_alone)
{
    names_begin(ADDRESSES("192.0.2.1"));
    for (unsigned i = 0; i < 20; i++) {
        Scene s = begin(OVERRIDES(i % 3 ? "host=relay.test" : "host=hung.test", "port=25"));
        Lookup *lookup = NULL;
        LookupResult result;

        ck_assert_int_eq(lookup_new(s.shared, T0, &lookup), 0);
        if (i % 2 == 0 && lookup_step(lookup, T0, &result) == 1)
            lookup_result_done(&result);
        lookup_free(lookup);
        end(&s);
    }
    names_release();
    (void)poll(NULL, 0, 300); /* so that a sanitizer sees them end */
}
END_TEST

START_TEST(without_a_descriptor_it_is_our_own_fault)
{
    Scene s = begin(OVERRIDES("host=relay.test", "port=25", "hello=a.test"));
    struct rlimit before, none;
    LookupResult result;

    names_begin(ADDRESSES("192.0.2.1"));
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert(!look_up(&s, T0, &result));
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(result.error, -EMFILE);
    ck_assert(result.own);
    ck_assert_ptr_nonnull(strstr(failure_text(&result.failure), "open files"));
    lookup_result_done(&result);
    end(&s);
}
END_TEST

START_TEST(a_host_name_is_fit_for_ehlo_or_none)
{
    _cleanup_free_
    char *name = NULL;

    names_begin(ADDRESSES(NULL));
    ck_assert(!host_name_is_qualified());
    ck_assert_int_eq(host_name_get(&name), 0);
    ck_assert_str_eq(name, "box.test");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net lookup");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, an_address_needs_no_job);
    tcase_add_test(tests, an_ipv6_address_says_its_family);
    tcase_add_test(tests, a_mapped_address_is_written_as_ipv4);
    tcase_add_test(tests, an_international_name_is_looked_up_by_its_alabel);
    tcase_add_test(tests, localhost_is_looked_up_beside_the_caller);
    tcase_add_test(tests, the_families_take_turns);
    tcase_add_test(tests, an_address_is_there_once);
    tcase_add_test(tests, a_name_that_is_not_known_is_told);
    tcase_add_test(tests, secrets_come_with_the_lookup);
    tcase_add_test(tests, many_connections_make_one_lookup);
    tcase_add_test(tests, addresses_are_kept_for_a_short_while);
    tcase_add_test(tests, a_failed_lookup_is_kept_for_a_shorter_one);
    tcase_add_test(tests, a_lookup_that_hangs_holds_up_its_relay_alone);
    tcase_add_test(tests, the_hosts_own_name_is_waited_for_a_short_while_only);
    tcase_add_test(tests, the_hosts_own_name_fails_no_lookup);
    tcase_add_test(tests, a_lookup_can_be_left_alone);
    tcase_add_test(tests, without_a_descriptor_it_is_our_own_fault);
    tcase_add_test(tests, a_host_name_is_fit_for_ehlo_or_none);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
