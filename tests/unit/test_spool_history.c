/* spool: what a record adds up to, and that it stays the same when the record is made shorter; what
 * reading it costs. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/uio.h>

#include "spool.h"
#include "spool/lines.h"
#include "spool/record.h"
#include "unit.h"

#define T1 1767323045678901u /* 2026-01-02T03:04:05.678901Z */
#define HOUR USEC_PER_HOUR

static const SpoolVia via = {.relay = "primary", .address = "192.0.2.1:587", .tls = "TLSv1.3 X"};

static void outcome(Buffer *b, usec_t now, unsigned recipient, unsigned attempt, DeliveryKind kind)
{
    const DeliveryOutcome o = {.kind = kind,
        .stage = STAGE_RCPT,
        .code = 451,
        .enhanced = "4.7.1",
        .text = "Greylisted, please try again in a while; see https://mail.example.com/greylist"};
    char address[32];

    snprintf(address, sizeof(address), "r%u@example.com", recipient);
    ck_assert_int_eq(spool_record_outcome(b, now, address, attempt, &o, &via), 0);
}

static void retry(Buffer *b, usec_t now, unsigned attempt)
{
    ck_assert_int_eq(spool_record_retry(b, now, attempt, now + HOUR, NULL), 0);
}

static SpoolHistory parse(const Buffer *b)
{
    SpoolHistory h;

    ck_assert_int_eq(spool_history_parse(buffer_data(b), buffer_size(b), &h), 0);
    return h;
}

START_TEST(a_life_begins_anew)
{
    _cleanup_buffer_ Buffer b = {0};
    SpoolHistory h = parse(&b);

    ck_assert(h.attempts == 0 && h.first_attempt == 0 && h.next == 0 && !h.waiting);
    outcome(&b, T1, 1, 1, DELIVERY_DELIVERED);
    outcome(&b, T1, 2, 1, DELIVERY_REFUSED);
    retry(&b, T1, 1);
    outcome(&b, T1 + HOUR, 3, 2, DELIVERY_DEFERRED);
    h = parse(&b);
    /* An attempt that was cut off before its last line does not count. */
    ck_assert(h.attempts == 1 && h.first_attempt == T1 && h.next == T1 + HOUR && !h.waiting);
    spool_history_done(&h);
    retry(&b, T1 + HOUR, 2);
    h = parse(&b);
    ck_assert(h.attempts == 2 && h.first_attempt == T1 && h.next == T1 + 2 * HOUR && h.waiting);
    ck_assert_uint_eq(h.tries, 2);
    spool_history_done(&h);

    /* Somebody had it retried: nothing counts, but who has it and who refused it. */
    ck_assert_int_eq(spool_record_queued(&b, T1 + 3 * HOUR), 0);
    h = parse(&b);
    ck_assert(h.attempts == 0 && h.first_attempt == 0 && h.next == 0 && !h.waiting && !h.ended);
    ck_assert(h.n_delivered == 1 && h.n_refused == 1 && h.latest == T1 + 3 * HOUR);
    ck_assert_uint_eq(h.tries, 0);
    spool_history_done(&h);
    retry(&b, T1 + 4 * HOUR, 1);
    h = parse(&b);
    ck_assert(h.attempts == 1 && h.first_attempt == T1 + 4 * HOUR && h.waiting);
    spool_history_done(&h);

    /* The attempt that ends it has no line of its own. */
    outcome(&b, T1 + 5 * HOUR, 4, 2, DELIVERY_REFUSED);
    ck_assert_int_eq(spool_record_failed(&b, T1 + 5 * HOUR, 9005, "too old", NULL), 0);
    h = parse(&b);
    ck_assert_uint_eq(h.tries, 2);
    ck_assert(h.attempts == 0 && h.first_attempt == 0 && h.next == 0 && !h.waiting && h.ended);
    ck_assert(h.n_delivered == 1 && h.n_refused == 0);
    spool_history_done(&h);
    outcome(&b, T1 + 6 * HOUR, 5, 1, DELIVERY_REFUSED);
    h = parse(&b);
    ck_assert_uint_eq(h.tries, 1);
    spool_history_done(&h);
}
END_TEST

START_TEST(age_counts_from_a_time_that_can_be_right)
{
    _cleanup_buffer_ Buffer b = {0};
    SpoolHistory h;

    retry(&b, 5 * HOUR, 1);
    retry(&b, 6 * HOUR, 2);
    h = parse(&b);
    ck_assert_uint_eq(h.attempts, 2);
    spool_history_done(&h);
    retry(&b, T1, 3);
    retry(&b, T1 + HOUR, 4);
    h = parse(&b);
    ck_assert(h.attempts == 4 && h.first_attempt == T1 && h.next == T1 + 2 * HOUR);
    spool_history_done(&h);
}
END_TEST

/* ---- the same in fewer bytes ---- */

/* Claims a message with that record and has it read; the claim. */
static SpoolClaim *claim_with(const Place *p, const Buffer *record)
{
    _cleanup_failure_ Failure f = {0};
    SpoolClaim *c;

    put(p, "a.deferred", "1");
    put_record(p, "a.deferred", "a.status", buffer_data(record), buffer_size(record));
    ck_assert_int_eq(spool_claim(p->spool, "a", SPOOL_DEFERRED, 0, true, NOW, &c, NULL, NULL), 0);
    ck_assert_msg(spool_history_load(c, &f) == 0, "%s", failure_text(&f));
    return c;
}

static void check_list(char *const *a, size_t n, char *const *b, size_t m)
{
    ck_assert_uint_eq(n, m);
    for (size_t i = 0; i < n; i++)
        ck_assert_str_eq(a[i], b[i]);
}

static void check_same(const SpoolHistory *a, const SpoolHistory *b)
{
    ck_assert_uint_eq(a->attempts, b->attempts);
    ck_assert_uint_eq(a->first_attempt, b->first_attempt);
    ck_assert_uint_eq(a->next, b->next);
    ck_assert_uint_eq(a->latest, b->latest);
    ck_assert(a->waiting == b->waiting && a->ended == b->ended && a->sent == b->sent);
    check_list(a->delivered, a->n_delivered, b->delivered, b->n_delivered);
    check_list(a->refused, a->n_refused, b->refused, b->n_refused);
}

/* Any line that a record may have, more of those that are superseded later. */
static void add_any(Buffer *b, usec_t now, unsigned *attempt)
{
    static const char unknown[] = "{\"time\":\"2026-01-02T03:04:05Z\",\"event\":\"weighed\"}\n";
    static const char odd[] = "{\"event\":\"retry\",\"attempt\":-1}\n{\"event\":\"dele\n\n[1]\n";
    unsigned who = (unsigned)rand() % 1000;

    switch (rand() % 40) {
    case 0: outcome(b, now, who, *attempt, DELIVERY_DELIVERED); break;
    case 1: outcome(b, now, who, *attempt, DELIVERY_REFUSED); break;
    case 2:
    case 3: retry(b, now, (*attempt)++); break;
    case 4:
        if (rand() % 4 == 0)
            ck_assert_int_eq(spool_record_queued(b, now), 0);
        break;
    case 5:
        if (rand() % 4 == 0)
            ck_assert_int_eq(spool_record_failed(b, now, 1, "gave up", NULL), 0);
        break;
    case 6: ck_assert_int_eq(buffer_append_string(b, unknown), 0); break;
    case 7: ck_assert_int_eq(buffer_append_string(b, odd), 0); break;
    default: outcome(b, now, who, *attempt, DELIVERY_DEFERRED);
    }
}

/* An attempt that was put off for this recipient, in that way. */
static void put_off(Buffer *b, unsigned recipient, unsigned attempt, DeliveryOutcome o)
{
    char address[32];

    o.kind = DELIVERY_DEFERRED;
    o.text = o.text ?: "connection lost, \"code\":451,\"stage\":\"mail\"";
    snprintf(address, sizeof(address), "r%u@example.com", recipient);
    ck_assert_int_eq(spool_record_outcome(b, T1, address, attempt, &o, &via), 0);
}

START_TEST(losses_are_told_from_verdicts)
{
    static const DeliveryOutcome lost = {.cause = CAUSE_LOST, .stage = STAGE_CONTENT};
    _cleanup_buffer_ Buffer b = {0};
    SpoolHistory h;

    put_off(&b, 1, 1, lost);
    put_off(&b, 2, 1, (DeliveryOutcome){.stage = STAGE_RCPT, .code = 421});
    put_off(&b, 3, 1, (DeliveryOutcome){.stage = STAGE_DATA, .code = 199});
    put_off(&b, 4, 1, (DeliveryOutcome){.stage = STAGE_RCPT, .code = 451});
    put_off(&b, 5, 1, (DeliveryOutcome){.stage = STAGE_MAIL});
    retry(&b, T1, 1);
    put_off(&b, 1, 2, (DeliveryOutcome){.stage = STAGE_CONTENT, .code = 452});
    retry(&b, T1, 2);
    put_off(&b, 3, 3, lost);
    put_off(&b, 6, 3, lost);
    h = parse(&b);
    ck_assert_uint_eq(h.losses.attempts, 2);
    ck_assert_uint_eq(spool_losses_latest(&h.losses, "r1@example.com"), 1);
    ck_assert_uint_eq(spool_losses_latest(&h.losses, "r2@example.com"), 1);
    ck_assert_uint_eq(spool_losses_latest(&h.losses, "r3@example.com"), 2);
    ck_assert_uint_eq(spool_losses_latest(&h.losses, "r4@example.com"), 0);
    ck_assert_uint_eq(spool_losses_latest(&h.losses, "r5@example.com"), 0);
    ck_assert_uint_eq(spool_losses_latest(&h.losses, "r6@example.com"), 2);
    spool_history_done(&h);
    retry(&b, T1, 3);
    ck_assert_int_eq(spool_record_queued(&b, T1), 0);
    h = parse(&b);
    ck_assert(h.losses.attempts == 0 && h.losses.n == 0);
    spool_history_done(&h);
}
END_TEST

START_TEST(a_shorter_record_says_the_same)
{
    _cleanup_place_ Place p;
    _cleanup_buffer_ Buffer b = {0};
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1234567, .tv_nsec = 8000}};
    unsigned attempt = 1;
    struct stat st;
    SpoolHistory before, after;
    SpoolClaim *c;

    place_init(&p);
    srand((unsigned)_i);
    for (unsigned n = 0; buffer_size(&b) < 300 * 1024 || n % 50 != 0; n++)
        add_any(&b, T1 + n * USEC_PER_SEC, &attempt);
    put(&p, "a.deferred", "1");
    put_record(&p, "a.deferred", "a.status", buffer_data(&b), buffer_size(&b));
    ck_assert_int_eq(utimensat(p.fd, "a.status", times, 0), 0);
    ck_assert_int_eq(spool_claim(p.spool, "a", SPOOL_DEFERRED, 0, true, NOW, &c, NULL, NULL), 0);
    ck_assert_uint_gt(spool_claim_record_bytes(c), buffer_size(&b));
    ck_assert_int_eq(spool_history_load(c, NULL), 0);
    before = parse(&b);
    check_same(&before, spool_claim_history(c));
    ck_assert_int_eq(spool_history_load_id(p.spool, "a", SPOOL_SENDING, &after, NULL), 0);
    check_same(&before, &after);
    ck_assert_int_eq(fstatat(p.fd, "a.status", &st, 0), 0);
    ck_assert_uint_lt((uint64_t)st.st_size, buffer_size(&b) / 2);
    ck_assert_uint_eq(spool_claim_record_bytes(c), (uint64_t)st.st_size);
    /* What the message is scheduled by is unchanged, and nothing else is left. */
    ck_assert_uint_eq(spool_next_attempt(p.spool, "a"), 1234567000008u);
    ck_assert_uint_eq(st.st_mode & 07777 & ~0040u, 0600);
    assert_names(&p, "a.sending a.status ");
    spool_history_done(&before);
    spool_history_done(&after);
    ck_assert_int_eq(spool_release(c, NULL, NULL), 0);
}
END_TEST

/* What is not worth it is not touched. */
START_TEST(a_record_that_says_much_is_left_alone)
{
    _cleanup_place_ Place p;
    _cleanup_buffer_ Buffer b = {0};
    struct stat before, after;
    SpoolClaim *c;

    place_init(&p);
    for (unsigned i = 0; i < 3000; i++)
        outcome(&b, T1, i, 1, DELIVERY_DELIVERED);
    c = claim_with(&p, &b);
    ck_assert_int_eq(fstatat(p.fd, "a.status", &before, 0), 0);
    ck_assert_uint_gt((uint64_t)before.st_size, buffer_size(&b));
    ck_assert_int_eq(spool_history_load(c, NULL), 0);
    ck_assert_int_eq(fstatat(p.fd, "a.status", &after, 0), 0);
    ck_assert_uint_eq(after.st_ino, before.st_ino);
    ck_assert_uint_eq(spool_claim_history(c)->n_delivered, 3000);
    ck_assert_int_eq(spool_release(c, NULL, NULL), 0);
}
END_TEST

#define MANY 2000u
#define ATTEMPTS 40u

START_TEST(many_recipients_that_wait_for_long_take_little_room)
{
    _cleanup_place_ Place p;
    _cleanup_buffer_ Buffer b = {0};
    uint64_t one_attempt = 0;
    SpoolClaim *c;

    place_init(&p);
    put(&p, "a.deferred", "1");
    for (unsigned attempt = 1; attempt <= ATTEMPTS; attempt++) {
        usec_t now = T1 + attempt * HOUR;

        ck_assert_int_eq(
            spool_claim(p.spool, "a", SPOOL_DEFERRED, 0, true, NOW, &c, NULL, NULL), 0);
        ck_assert_int_eq(spool_history_load(c, NULL), 0);
        ck_assert_uint_eq(spool_claim_history(c)->attempts, attempt - 1);
        ck_assert_uint_eq(
            spool_claim_history(c)->first_attempt, attempt > 1 ? T1 + HOUR : (usec_t)0);
        buffer_clear(&b);
        if (attempt == 1)
            outcome(&b, now, MANY, attempt, DELIVERY_DELIVERED);
        for (unsigned i = 0; i < MANY; i++)
            outcome(&b, now, i, attempt, DELIVERY_DEFERRED);
        retry(&b, now, attempt);
        one_attempt = MAX(one_attempt, (uint64_t)buffer_size(&b));
        ck_assert_int_eq(spool_record_append(c, &b, NULL), 0);
        ck_assert_uint_le(spool_claim_record_bytes(c), 3 * one_attempt + 1024);
        ck_assert_int_eq(spool_defer(c, now + HOUR, NULL, NULL), 0);
    }
    {
        _cleanup_buffer_ Buffer all = {0};

        ck_assert_int_eq(file_load(p.fd, "a.status", 64 << 20, &all), 0);
        ck_assert_int_eq(buffer_append(&all, "", 1), 0);
        ck_assert_ptr_nonnull(strstr(buffer_data(&all), "\"event\":\"delivered\""));
        /* Each recipient has its line of the last attempt. */
        ck_assert_ptr_nonnull(strstr(buffer_data(&all), "\"r0@example.com\",\"attempt\":40"));
        ck_assert_ptr_nonnull(strstr(buffer_data(&all), "\"r1999@example.com\",\"attempt\":40"));
    }
}
END_TEST

/* ---- what it costs ---- */

static uint64_t bytes_read; /* from files, by pread() */

ssize_t pread(int fd, void *to, size_t n, off_t offset)
{
    ssize_t got = preadv(fd, &(struct iovec){.iov_base = to, .iov_len = n}, 1, offset);

    bytes_read += got > 0 ? (uint64_t)got : 0;
    return got;
}

START_TEST(a_record_is_read_once_a_claim)
{
    _cleanup_place_ Place p;
    _cleanup_buffer_ Buffer b = {0};
    SpoolClaim *c;

    place_init(&p);
    for (unsigned i = 0; i < 3000; i++)
        outcome(&b, T1, i, 1, DELIVERY_DEFERRED);
    retry(&b, T1, 1);
    put(&p, "a.deferred", "1");
    put_record(&p, "a.deferred", "a.status", buffer_data(&b), buffer_size(&b));
    bytes_read = 0;
    ck_assert_int_eq(spool_claim(p.spool, "a", SPOOL_DEFERRED, 0, true, NOW, &c, NULL, NULL), 0);
    ck_assert_uint_gt(bytes_read, 0);           /* it is counted, that is */
    ck_assert_uint_le(bytes_read, 1024 + 4096); /* its beginning and its end */
    ck_assert_ptr_null(spool_claim_history(c));
    for (int again = 0; again < 3; again++)
        ck_assert_int_eq(spool_history_load(c, NULL), 0);
    ck_assert_uint_le(bytes_read, buffer_size(&b) + 4096 + 4096);
    ck_assert_uint_eq(spool_claim_history(c)->attempts, 1);
    ck_assert_int_eq(spool_release(c, NULL, NULL), 0);
}
END_TEST

/* However long it is, and whatever stands in it. */
START_TEST(no_record_is_too_large)
{
    _cleanup_place_ Place p;
    _cleanup_close_ int fd = -1;
    static const char ann[] = "{\"event\":\"delivered\",\"recipient\":\"ann@example.com\"}\n";
    static const char bob[] = "\n{\"event\":\"delivered\",\"recipient\":\"bob@example.com\"}\n";
    SpoolClaim *c;

    place_init(&p);
    put(&p, "a.queued", "1");
    put(&p, "a.status", ann);
    fd = openat(p.fd, "a.status", O_WRONLY);
    ck_assert_int_eq(lseek(fd, (off_t)200 << 20, SEEK_SET), (off_t)200 << 20);
    ck_assert_int_eq(file_write_all(fd, bob, strlen(bob)), 0);
    bytes_read = 0;
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    ck_assert_int_eq(spool_history_load(c, NULL), 0);
    ck_assert(spool_history_has(spool_claim_history(c), "ann@example.com"));
    ck_assert(spool_history_has(spool_claim_history(c), "bob@example.com"));
    /* Once to read it, once more to leave out what is nothing. */
    ck_assert_uint_le(bytes_read, ((uint64_t)2 * 200 << 20) + 65536);
    ck_assert_uint_lt(spool_claim_record_bytes(c), 1024);
    ck_assert_int_eq(spool_release(c, NULL, NULL), 0);
}
END_TEST

START_TEST(lines_are_read_in_little_memory)
{
    _cleanup_place_ Place p;
    _cleanup_(line_reader_done) LineReader reader = {0};
    static const size_t lengths[] = {
        0, 1, 100, 32767, 32768, 32769, 262143, 262144, 262145, 1 << 23, 5};
    _cleanup_close_ int fd = -1;
    uint64_t offset = 0;
    RecordLine line;

    place_init(&p);
    fd = openat(p.fd, "lines", O_RDWR | O_CREAT, 0600);
    for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
        _cleanup_free_
        char *text = malloc(lengths[i] + 1);

        memset(text, 'a' + (int)i, lengths[i]);
        text[lengths[i]] = '\n';
        /* The last one has no end. */
        ck_assert_int_eq(file_write_all(fd, text, lengths[i] + (i + 1 < ELEMENTSOF(lengths))), 0);
    }
    reader.fd = fd;
    for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
        ck_assert_int_eq(line_reader_next(&reader, &line), 1);
        ck_assert_uint_eq(line.offset, offset);
        ck_assert_uint_eq(line.bytes, lengths[i] + (i + 1 < ELEMENTSOF(lengths)));
        ck_assert_uint_eq(line.n, lengths[i] > RECORD_LINE_MAX ? 0 : lengths[i]);
        ck_assert(
            line.n == 0 || (line.data[0] == 'a' + (int)i && line.data[line.n - 1] == 'a' + (int)i));
        ck_assert_uint_le(reader.buffer.allocated, 1 << 20);
        offset += line.bytes;
    }
    ck_assert_int_eq(line_reader_next(&reader, &line), 0);
    ck_assert_int_eq(line_reader_next(&reader, &line), 0);
}
END_TEST

START_TEST(none_of_our_lines_is_too_long)
{
    _cleanup_free_
    char *text = malloc(1 << 20);
    DeliveryOutcome o = {.kind = DELIVERY_DELIVERED, .stage = STAGE_CONTENT, .text = text};
    SpoolVia long_via = {text, text, text};

    for (int c = 1; c < 256; c++) {
        _cleanup_buffer_ Buffer b = {0};
        SpoolHistory h;

        memset(text, c, (1 << 20) - 1);
        text[(1 << 20) - 1] = '\0';
        ck_assert_int_eq(spool_record_outcome(&b, T1, "ann@example.com", 1, &o, &long_via), 0);
        ck_assert_uint_lt(buffer_size(&b), RECORD_LINE_MAX);
        h = parse(&b);
        ck_assert(spool_history_has(&h, "ann@example.com"));
        spool_history_done(&h);
    }
}
END_TEST

static void *load(void *claim)
{
    return (void *)(intptr_t)spool_history_load(claim, NULL);
}

#define THREADS 8

/* A thread of its own for each of several claims of one directory. */
START_TEST(a_record_can_be_read_on_another_thread)
{
    _cleanup_place_ Place p;
    _cleanup_buffer_ Buffer b = {0};
    pthread_t threads[THREADS];
    SpoolClaim *claims[THREADS];

    place_init(&p);
    for (unsigned attempt = 1; attempt <= 4; attempt++) {
        for (unsigned i = 0; i < 500; i++)
            outcome(&b, T1, i, attempt, i == attempt ? DELIVERY_DELIVERED : DELIVERY_DEFERRED);
        retry(&b, T1 + attempt, attempt);
    }
    for (int i = 0; i < THREADS; i++) {
        char id[16], name[32], record[32];

        snprintf(id, sizeof(id), "m%d", i);
        snprintf(name, sizeof(name), "m%d.queued", i);
        put(&p, name, "1");
        snprintf(record, sizeof(record), "m%d.status", i);
        put_record(&p, name, record, buffer_data(&b), buffer_size(&b));
        ck_assert_int_eq(claim(&p, id, &claims[i]), SPOOL_CLAIMED);
    }
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, load, claims[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        void *r;

        ck_assert_int_eq(pthread_join(threads[i], &r), 0);
        ck_assert_ptr_null(r);
        ck_assert_uint_eq(spool_claim_history(claims[i])->n_delivered, 4);
        ck_assert_uint_lt(spool_claim_record_bytes(claims[i]), buffer_size(&b) / 2);
        ck_assert_int_eq(spool_release(claims[i], NULL, NULL), 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool_history");
    TCase *t = tcase_create("spool_history");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_life_begins_anew);
    tcase_add_test(t, age_counts_from_a_time_that_can_be_right);
    tcase_add_test(t, losses_are_told_from_verdicts);
    tcase_add_loop_test(t, a_shorter_record_says_the_same, 0, 40);
    tcase_add_test(t, a_record_that_says_much_is_left_alone);
    tcase_add_test(t, many_recipients_that_wait_for_long_take_little_room);
    tcase_add_test(t, a_record_is_read_once_a_claim);
    tcase_add_test(t, no_record_is_too_large);
    tcase_add_test(t, lines_are_read_in_little_memory);
    tcase_add_test(t, none_of_our_lines_is_too_long);
    tcase_add_test(t, a_record_can_be_read_on_another_thread);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
