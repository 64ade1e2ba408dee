/* SRV records of submission: which are hosts, which comes first, and what a name server says of a
 * domain. The name server is the test's. */
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <resolv.h>

#undef MIN /* <resolv.h> brings its own */
#undef MAX
#include "base/errors.h"
#include "net/srv.h"
#include "unit.h"

typedef struct Said {
    unsigned priority, weight, port;
    const char *target; /* with "." at its end and between its labels */
} Said;

static struct {
    const Said *secure, *other; /* NULL: there is no such name */
    bool fails;
} dns;

int __wrap_res_nquery(
    res_state state, const char *name, int class, int type, unsigned char *answer, int size);

static size_t put16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
    return 2;
}

static size_t put_name(unsigned char *at, const char *name)
{
    unsigned char *start = at;

    for (size_t n; *name && *name != '.'; name += n + 1) {
        n = strcspn(name, ".");
        *at++ = (unsigned char)n;
        memcpy(at, name, n);
        at += n;
    }
    *at++ = 0;
    return (size_t)(at - start);
}

/* The question is the root's, which no reader minds. The list ends with a target of NULL. */
static size_t make_answer(const Said *said, unsigned char *answer)
{
    static const unsigned char question[] = {0, 0, ns_t_srv, 0, 1};
    size_t n = 12 + sizeof(question), count = 0;

    memset(answer, 0, 12);
    answer[2] = 0x81;
    answer[3] = 0x80;
    put16(answer + 4, 1);
    memcpy(answer + 12, question, sizeof(question));
    for (; said->target; said++, count++) {
        size_t length;

        answer[n++] = 0;
        n += put16(answer + n, ns_t_srv);
        n += put16(answer + n, ns_c_in);
        n += put16(answer + n, 0);
        n += put16(answer + n, 300);
        length = n;
        n += 2;
        n += put16(answer + n, said->priority);
        n += put16(answer + n, said->weight);
        n += put16(answer + n, said->port);
        n += put_name(answer + n, said->target);
        put16(answer + length, (unsigned)(n - length - 2));
    }
    put16(answer + 6, (unsigned)count);
    return n;
}

int __wrap_res_nquery(res_state state, const char *name, _unused_ int class, int type,
    unsigned char *answer, _unused_ int size)
{
    const Said *said = strcmp(name, "_submissions._tcp.own.test") == 0 ? dns.secure : dns.other;

    ck_assert_int_eq(type, ns_t_srv);
    if (said)
        return (int)make_answer(said, answer);
    state->res_h_errno = dns.fails ? TRY_AGAIN : HOST_NOT_FOUND;
    return -1;
}

START_TEST(which_are_hosts)
{
    static const Said said[] = {{1, 1, 587, "mail.own.test."}, {1, 1, 0, "no-port.own.test."},
        {1, 1, 587, "a b.test."}, {1, 1, 587, "a\x1b[2J.test."}, {1, 1, 587, "127.0.0.1."},
        {1, 1, 587, "a\".test."}, {1, 1, 0, "."}, {2, 3, 465, "last.test."}, {0}};
    unsigned char message[NS_MAXMSG];
    SrvRecord records[SRV_RECORDS_MAX];
    size_t n = make_answer(said, message), n_records;

    ck_assert_int_eq(srv_parse(message, n, true, records, &n_records), 0);
    ck_assert_uint_eq(n_records, 3);
    ck_assert_str_eq(records[0].target, "mail.own.test");
    ck_assert_str_eq(records[1].target, "");
    ck_assert_str_eq(records[2].target, "last.test");
    ck_assert_uint_eq(records[2].priority, 2);
    ck_assert_uint_eq(records[2].weight, 3);
    ck_assert_uint_eq(records[2].port, 465);
    ck_assert(records[2].implicit);
}
END_TEST

START_TEST(what_is_cut)
{
    static const Said said[] = {{1, 1, 587, "mail.own.test."}, {0}};
    unsigned char message[NS_MAXMSG];
    SrvRecord records[SRV_RECORDS_MAX];
    size_t n = make_answer(said, message), n_records;

    for (size_t cut = 0; cut < n; cut++) {
        ck_assert_int_eq(srv_parse(message, cut, false, records, &n_records), -EBADMSG);
        ck_assert_uint_eq(n_records, 0);
    }
}
END_TEST

START_TEST(too_many)
{
    Said said[SRV_RECORDS_MAX + 9] = {{0}};
    unsigned char message[NS_MAXMSG];
    SrvRecord records[SRV_RECORDS_MAX];
    size_t n_records;

    for (size_t i = 0; i < SRV_RECORDS_MAX + 8; i++)
        said[i] = (Said){1, 1, 587, "mail.own.test."};
    ck_assert_int_eq(srv_parse(message, make_answer(said, message), false, records, &n_records), 0);
    ck_assert_uint_eq(n_records, SRV_RECORDS_MAX);
}
END_TEST

static void expect(const char *target, unsigned port, bool implicit)
{
    _cleanup_failure_ Failure f = {0};
    SrvRecord found;

    ck_assert_int_eq(srv_find_submission("own.test", &found, &f), 0);
    ck_assert_str_eq(found.target, target);
    ck_assert_uint_eq(found.port, port);
    ck_assert_int_eq(found.implicit, implicit);
}

/* RFC 2782 and RFC 8314, 5.1: by priority, then TLS from the start, then by weight. */
START_TEST(which_comes_first)
{
    static const Said secure[] = {
        {5, 1, 465, "a.own.test."}, {5, 9, 4650, "b.own.test."}, {9, 9, 1, "c.own.test."}, {0}};
    static const Said before[] = {{1, 0, 587, "other.own.test."}, {0}};
    static const Said beside[] = {{5, 99, 587, "other.own.test."}, {0}};
    static const Said none[] = {{0, 0, 0, "."}, {0}};

    dns.secure = secure;
    dns.other = before;
    expect("other.own.test", 587, false);
    dns.other = beside;
    expect("b.own.test", 4650, true);
    dns.other = NULL;
    expect("b.own.test", 4650, true);
    dns.secure = none;
    dns.other = beside;
    expect("other.own.test", 587, false);
}
END_TEST

START_TEST(none_is_found)
{
    static const Said none[] = {{0, 0, 0, "."}, {0}};
    SrvRecord found;

    for (int i = 0; i < 3; i++) {
        _cleanup_failure_ Failure f = {0};

        dns.secure = i == 1 ? none : NULL;
        dns.other = dns.secure;
        dns.fails = i == 2;
        ck_assert_int_eq(
            srv_find_submission("own.test", &found, &f), dns.fails ? -EAGAIN : -ENOENT);
        ck_assert_ptr_nonnull(strstr(failure_text(&f), "name the relay"));
        ck_assert_int_eq(f.number, dns.fails ? ERROR_TRY_AGAIN : ERROR_NO_DATA);
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net/srv");
    TCase *tcase = tcase_create("srv");

    tcase_add_test(tcase, which_are_hosts);
    tcase_add_test(tcase, what_is_cut);
    tcase_add_test(tcase, too_many);
    tcase_add_test(tcase, which_comes_first);
    tcase_add_test(tcase, none_is_found);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
