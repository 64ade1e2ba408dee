/* spool: the lines of a record, its file, and what is read back from it. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "spool.h"
#include "spool/record.h"
#include "unit.h"

#define T1 1767323045678901u /* 2026-01-02T03:04:05.678901Z */

static const DeliveryOutcome delivered = {.kind = DELIVERY_DELIVERED,
    .stage = STAGE_CONTENT,
    .code = 250,
    .enhanced = "2.0.0",
    .text = "ok"};

START_TEST(lines_have_the_documented_members)
{
    _cleanup_buffer_ Buffer b = {0};
    SpoolVia via = {.relay = "primary", .address = "192.0.2.1:587", .tls = "TLSv1.3 X"};
    DeliveryOutcome fault = {.kind = DELIVERY_CUT_OFF, .stage = STAGE_CONNECT, .text = "no"};

    ck_assert_int_eq(spool_record_outcome(&b, T1, "ann@example.com", 2, &delivered, &via), 0);
    via = (SpoolVia){.relay = "primary"};
    ck_assert_int_eq(spool_record_outcome(&b, T1, "bob@example.com", 2, &fault, &via), 0);
    ck_assert_int_eq(spool_record_retry(&b, T1, 2, T1 + USEC_PER_SEC, "see the log"), 0);
    ck_assert_int_eq(spool_record_sent(&b, T1), 0);
    ck_assert_int_eq(spool_record_failed(&b, T1, 165, "no recipient", "name one"), 0);
    ck_assert_int_eq(buffer_append(&b, "", 1), 0);
    ck_assert_str_eq(buffer_data(&b),
        "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"delivered\","
        "\"recipient\":\"ann@example.com\",\"attempt\":2,\"code\":250,\"enhanced\":\"2.0.0\","
        "\"stage\":\"content\",\"text\":\"ok\",\"relay\":\"primary\",\"address\":\"192.0.2.1:587\","
        "\"tls\":\"TLSv1.3 X\"}\n"
        "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"deferred\","
        "\"recipient\":\"bob@example.com\",\"attempt\":2,\"code\":0,\"enhanced\":\"\","
        "\"stage\":\"connect\",\"text\":\"no\",\"relay\":\"primary\"}\n"
        "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"retry\",\"attempt\":2,"
        "\"next\":\"2026-01-02T03:04:06.678901Z\",\"hint\":\"see the log\"}\n"
        "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"sent\"}\n"
        "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"failed\",\"error\":165,"
        "\"text\":\"no recipient\",\"hint\":\"name one\"}\n");
}
END_TEST

START_TEST(any_bytes_make_valid_json)
{
    for (int c = 1; c < 256; c++) {
        _cleanup_buffer_ Buffer b = {0};
        char text[] = {'a', (char)c, '\xc3', (char)c, 'z', '\xe2', '\x82', '\0'};
        json_t *line;

        ck_assert_int_eq(spool_record_failed(&b, T1, 1, text, NULL), 0);
        line = json_loadb(buffer_data(&b), buffer_size(&b), 0, NULL);
        ck_assert_ptr_nonnull(line);
        ck_assert_int_eq(*json_string_value(json_object_get(line, "text")), 'a');
        json_decref(line);
        /* One line is one line. */
        ck_assert_ptr_eq(
            memchr(buffer_data(&b), '\n', buffer_size(&b)), buffer_data(&b) + buffer_size(&b) - 1);
    }
    _cleanup_buffer_ Buffer b = {0};
    ck_assert_int_eq(
        spool_record_failed(&b, T1, 1, "gr\xc3\xbc\xc3\x9f \xf0\x9f\x93\xab \"\\", NULL), 0);
    ck_assert_int_eq(buffer_append(&b, "", 1), 0);
    ck_assert_ptr_nonnull(
        strstr(buffer_data(&b), "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x93\xab \\\"\\\\\""));
}
END_TEST

static SpoolHistory parse(const char *text)
{
    SpoolHistory h;

    ck_assert_int_eq(spool_history_parse(text, strlen(text), &h), 0);
    return h;
}

START_TEST(the_history_is_read_back)
{
    SpoolHistory h = parse("{\"event\":\"delivered\",\"recipient\":\"Zoe@Example.COM\"}\n"
                           "{\"event\":\"delivered\",\"recipient\":\"ann@example.com\"}\n"
                           "{\"event\":\"delivered\",\"recipient\":\"local\"}\n"
                           "{\"event\":\"refused\",\"recipient\":\"bob@example.com\"}\n"
                           "{\"event\":\"retry\",\"attempt\":3,"
                           "\"next\":\"2026-01-02T03:04:05.678901Z\"}\n"
                           "{\"event\":\"something new\",\"recipient\":[1]}\n");

    ck_assert_uint_eq(h.attempts, 3);
    ck_assert_uint_eq(h.next, T1);
    ck_assert(!h.ended && !h.sent && h.waiting);
    ck_assert_uint_eq(h.n_delivered, 3);
    ck_assert(spool_history_has(&h, "ann@EXAMPLE.com"));
    ck_assert(spool_history_has(&h, "Zoe@example.com"));
    ck_assert(!spool_history_has(&h, "zoe@example.com"));
    ck_assert(!spool_history_has(&h, "bob@example.com"));
    ck_assert(spool_history_has(&h, "local"));
    ck_assert(!spool_history_has(&h, "LOCAL"));
    ck_assert(!spool_history_has(&h, "ann@example.co"));
    ck_assert(!spool_history_has(&h, ""));
    ck_assert(spool_history_has_refused(&h, "bob@example.com"));
    ck_assert(!spool_history_has_refused(&h, "ann@example.com"));
    spool_history_done(&h);

    /* However the record writes the domain. */
    h = parse("{\"event\":\"delivered\",\"recipient\":\"ann@Bücher.example\"}\n"
              "{\"event\":\"refused\",\"recipient\":\"bob@xn--bcher-kva.example\"}\n");
    ck_assert(spool_history_has(&h, "ann@xn--bcher-kva.example"));
    ck_assert(spool_history_has(&h, "ann@XN--bcher-kva.example"));
    ck_assert(spool_history_has_refused(&h, "bob@xn--bcher-kva.example"));
    spool_history_done(&h);

    /* Queued anew after it had failed: those who were refused are tried again. */
    h = parse("{\"event\":\"refused\",\"recipient\":\"bob@example.com\"}\n"
              "{\"event\":\"failed\"}\n"
              "{\"event\":\"refused\",\"recipient\":\"eve@example.com\"}\n");
    ck_assert(!spool_history_has_refused(&h, "bob@example.com"));
    ck_assert(spool_history_has_refused(&h, "eve@EXAMPLE.com"));
    spool_history_done(&h);

    h = parse("{\"event\":\"retry\",\"attempt\":3,\"next\":\"2026-01-02T03:04:05.678901Z\"}\n"
              "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"failed\",\"error\":9005}\n");
    ck_assert_uint_eq(h.attempts, 0);
    ck_assert_uint_eq(h.next, 0);
    ck_assert_uint_eq(h.latest, T1);
    ck_assert(h.ended && !h.sent);
    spool_history_done(&h);

    h = parse("{\"event\":\"sent\"}");
    ck_assert(h.ended && h.sent);
    spool_history_done(&h);
    h = parse("{\"event\":\"sent\"}\n{\"event\":\"deferred\"}\n");
    ck_assert(!h.ended && !h.sent);
    spool_history_done(&h);
}
END_TEST

START_TEST(many_recipients_are_found)
{
    _cleanup_buffer_ Buffer b = {0};
    SpoolHistory h;
    char address[32];

    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(
            buffer_appendf(&b, "{\"event\":\"delivered\",\"recipient\":\"r%d@x.example\"}\n",
                (i * 7919) % 2000),
            0);
    ck_assert_int_eq(spool_history_parse(buffer_data(&b), buffer_size(&b), &h), 0);
    ck_assert_uint_eq(h.n_delivered, 1000);
    for (int i = 0; i < 1000; i++) {
        snprintf(address, sizeof(address), "r%d@X.example", (i * 7919) % 2000);
        ck_assert(spool_history_has(&h, address));
    }
    ck_assert(!spool_history_has(&h, "r2000@x.example"));
    spool_history_done(&h);
}
END_TEST

START_TEST(torn_and_hostile_lines_are_skipped)
{
    static const char binary[] = "\0\0\xff\n{\"event\":\"delivered\",\"recipient\":\"a@b\"}\n[1]\n"
                                 "\"x\"\nnull\n{\"event\":7}\n{\"event\":\"delivered\"}\n"
                                 "{\"event\":\"delivered\",\"recipient\":null}\n"
                                 "{\"event\":\"retry\",\"attempt\":-5,\"next\":\"soon\"}\n"
                                 "{\"event\":\"retry\",\"attempt\":99999999999}\n"
                                 "{\"event\":\"retry\",\"attempt\":999999999999999999999999}\n"
                                 "{\"event\":\"delivered\",\"recipient\":\"c@d\"";
    SpoolHistory h;

    ck_assert_int_eq(spool_history_parse(binary, sizeof(binary) - 1, &h), 0);
    ck_assert_uint_eq(h.n_delivered, 1);
    ck_assert(spool_history_has(&h, "a@b"));
    ck_assert_uint_eq(h.attempts, 0);
    ck_assert_uint_eq(h.next, 0);
    spool_history_done(&h);
    h = parse("");
    ck_assert_uint_eq(h.n_delivered, 0);
    spool_history_done(&h);
}
END_TEST

static SpoolClaim *claimed(const Place *p, const char *id)
{
    SpoolClaim *c = NULL;

    ck_assert_int_eq(claim(p, id, &c), SPOOL_CLAIMED);
    return c;
}

START_TEST(a_torn_line_is_ended_before_the_next)
{
    _cleanup_place_ Place p;
    _cleanup_buffer_ Buffer b = {0};
    _cleanup_free_
    char *text = NULL;
    SpoolClaim *c;

    place_init(&p);
    put(&p, "a.queued", "1");
    put(&p, "a.status", "{\"event\":\"delivered\",\"recipient\":\"a@b\"}\n{\"event\":\"deliv");
    c = claimed(&p, "a");
    ck_assert_int_eq(buffer_append_string(&b, "{\"event\":\"sent\"}\n"), 0);
    ck_assert_int_eq(spool_record_append(c, &b, NULL), 0);
    ck_assert_int_eq(spool_record_append(c, &b, NULL), 0);
    ck_assert_int_eq(spool_complete(c, true, NULL, NULL), 0);
    text = content(&p, "a.status");
    ck_assert_str_eq(text, "{\"event\":\"delivered\",\"recipient\":\"a@b\"}\n{\"event\":\"deliv\n"
                           "{\"event\":\"sent\"}\n{\"event\":\"sent\"}\n");
}
END_TEST

START_TEST(the_record_of_a_claim)
{
    _cleanup_place_ Place p;
    _cleanup_buffer_ Buffer b = {0};
    SpoolVia via = {0};
    SpoolHistory h;
    SpoolClaim *c;
    struct stat st;

    place_init(&p);
    put(&p, "a.queued", "1");
    c = claimed(&p, "a");
    ck_assert_int_eq(spool_history_load(c, NULL), 0);
    ck_assert_uint_eq(spool_claim_history(c)->n_delivered, 0);
    ck_assert_uint_eq(spool_claim_record_bytes(c), 0);
    ck_assert_int_eq(spool_record_outcome(&b, T1, "ann@example.com", 1, &delivered, &via), 0);
    ck_assert_int_eq(spool_record_append(c, &b, NULL), 0);
    ck_assert_int_eq(fstatat(p.fd, "a.status", &st, 0), 0);
    ck_assert_uint_eq(st.st_mode & 07777 & ~0040u, 0600); /* 0640 and the umask */
    ck_assert_uint_eq(spool_claim_record_bytes(c), (uint64_t)st.st_size);
    ck_assert_int_eq(spool_history_load_id(p.spool, "a", SPOOL_SENDING, &h, NULL), 0);
    ck_assert(spool_history_has(&h, "ann@example.com"));
    spool_history_done(&h);
    /* An operator removes it under our hands: it is made anew. */
    ck_assert_int_eq(unlinkat(p.fd, "a.status", 0), 0);
    ck_assert_int_eq(spool_record_append(c, &b, NULL), 0);
    ck_assert_int_eq(spool_fail(c, NULL, NULL), 0);
    assert_names(&p, "a.failed a.status ");
    ck_assert_int_eq(spool_history_load_id(p.spool, "none", SPOOL_FAILED, &h, NULL), 0);
    ck_assert_uint_eq(h.n_delivered, 0);
}
END_TEST

START_TEST(what_is_not_ours_is_no_record)
{
    _cleanup_place_ Place p;
    _cleanup_buffer_ Buffer b = {0};
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *other = NULL;
    SpoolHistory h;
    SpoolClaim *c;

    place_init(&p);
    ck_assert_int_eq(buffer_append_string(&b, "{\"event\":\"sent\"}\n"), 0);
    put(&p, "a.queued", "1");
    put(&p, "other", "x");
    ck_assert_int_eq(symlinkat("other", p.fd, "a.status"), 0);
    ck_assert_int_lt(spool_history_load_id(p.spool, "a", SPOOL_QUEUED, &h, &f), 0);
    c = claimed(&p, "a");
    ck_assert(!spool_claim_has_record(c));
    ck_assert_int_eq(spool_record_append(c, &b, NULL), 0);
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
    assert_names(&p, "a.status other ");
    other = content(&p, "other");
    ck_assert_str_eq(other, "x");

    ck_assert_int_eq(unlinkat(p.fd, "a.status", 0), 0);
    put(&p, "a.queued", "1");
    put(&p, "a.status", "{}\n");
    ck_assert_int_eq(linkat(p.fd, "a.status", p.fd, "theirs", 0), 0);
    ck_assert_int_eq(spool_history_load_id(p.spool, "a", SPOOL_QUEUED, &h, &f), -EPERM);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "not a delivery record"));
    ck_assert_int_eq(unlinkat(p.fd, "a.status", 0), 0);
    ck_assert_int_eq(unlinkat(p.fd, "a.queued", 0), 0);
    ck_assert_int_eq(unlinkat(p.fd, "theirs", 0), 0);

    /* Somebody puts one there while the message is being sent. */
    put(&p, "b.queued", "1");
    c = claimed(&p, "b");
    put(&p, "b.status", "{}\n");
    ck_assert_int_eq(spool_record_append(c, &b, NULL), 0);
    ck_assert_int_eq(spool_complete(c, true, NULL, NULL), 0);
    assert_names(&p, "b-*.sent b-*.status b.status other ");
    if (geteuid() == 0) {
        ck_assert_int_eq(fchownat(p.fd, "b.status", 12345, 12345, 0), 0);
        ck_assert_int_eq(spool_history_load_id(p.spool, "b", SPOOL_SENT, &h, &f), -EPERM);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool_record");
    TCase *t = tcase_create("spool_record");

    tcase_add_test(t, lines_have_the_documented_members);
    tcase_add_test(t, any_bytes_make_valid_json);
    tcase_add_test(t, the_history_is_read_back);
    tcase_add_test(t, many_recipients_are_found);
    tcase_add_test(t, torn_and_hostile_lines_are_skipped);
    tcase_add_test(t, a_torn_line_is_ended_before_the_next);
    tcase_add_test(t, the_record_of_a_claim);
    tcase_add_test(t, what_is_not_ours_is_no_record);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
