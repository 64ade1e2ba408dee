/* spool: a process that is killed before and after each of its system calls, in every change of
 * state, on file systems whose renames know flags and on others. Afterwards each message is there
 * exactly once, with what was recorded about it, and none has another's record. */
#include <errno.h>
#include <string.h>

#include "killed.h"
#include "plain_rename.h"
#include "spool.h"
#include "spool/enqueue.h"
#include "spool/record.h"
#include "unit.h"

#define ANN "{\"event\":\"delivered\",\"recipient\":\"ann@example.com\"}\n"
#define OLD "{\"event\":\"delivered\",\"recipient\":\"old@example.com\"}\n"
#define SENT "{\"event\":\"sent\"}\n"
#define RETRY "{\"event\":\"retry\",\"attempt\":1,\"next\":\"2026-01-02T03:04:05Z\"}\n"

/* What the process had done when it was killed. */
typedef enum Mark {
    MARK_RECORDED = 1,  /* the line for ann is on disk */
    MARK_DELIVERED = 2, /* all is delivered and recorded: never again */
    MARK_ANYWAY = 4,    /* all is delivered and nothing recorded: it may be gone */
} Mark;

typedef struct Scenario {
    const char *name;
    void (*prepare)(const Place *);
    void (*run)(const Place *, int marks);
    bool keep_sent;
    bool may_forget; /* the one place where a crash may cost a second delivery */
} Scenario;

static void mark(int marks, Mark m)
{
    if (write(marks, &(char){(char)m}, 1) != 1)
        _exit(10);
}

static SpoolClaim *take(const Place *p, const char *id, SpoolState from)
{
    SpoolClaim *c;

    if (spool_claim(p->spool, id, from, 0, true, NOW, &c, NULL, NULL) != SPOOL_CLAIMED)
        _exit(11);
    return c;
}

static void add(SpoolClaim *c, const char *lines)
{
    _cleanup_buffer_ Buffer b = {0};

    if (buffer_append_string(&b, lines) < 0 || spool_record_append(c, &b, NULL) < 0)
        _exit(12);
}

static void check(int r)
{
    if (r < 0)
        _exit(13);
}

static void prepare_new(const Place *p)
{
    put(p, "a.queued", "one");
}

static void bind(const Place *p, const char *message, const char *lines)
{
    put_record(p, message, "a.status", lines, strlen(lines));
}

static void prepare_known(const Place *p)
{
    put(p, "a.queued", "one");
    bind(p, "a.queued", "{\"event\":\"deferred\"}\n");
}

static void prepare_beside_failed(const Place *p)
{
    put(p, "a.queued", "one");
    put(p, "a.failed", "old");
    bind(p, "a.failed", OLD);
}

/* The record of a message that is not there any more. */
static void prepare_beside_orphan(const Place *p)
{
    put(p, "a.failed", "old");
    bind(p, "a.failed", OLD);
    ck_assert_int_eq(unlinkat(p->fd, "a.failed", 0), 0);
    put(p, "a.queued", "one");
}

static void prepare_beside_failed_without_record(const Place *p)
{
    put(p, "a.queued", "one");
    put(p, "a.failed", "old");
}

static void prepare_link(const Place *p)
{
    ck_assert_int_eq(symlinkat("nowhere", p->fd, "a.queued"), 0);
}

static void prepare_failed(const Place *p)
{
    put(p, "a.failed", "one");
    bind(p, "a.failed", ANN);
}

static void prepare_waiting(const Place *p)
{
    put(p, "a.deferred", "one");
    bind(p, "a.deferred", ANN RETRY);
}

/* A former version's record says nothing about whose it is. */
static void prepare_waiting_unbound(const Place *p)
{
    put(p, "a.deferred", "one");
    put(p, "a.status", ANN RETRY);
}

/* Others have put files under all the names that it could get. */
static void prepare_crowded(const Place *p)
{
    prepare_waiting(p);
    put(p, "a.failed", "two");
    put(p, "a.held", "two");
    put(p, "a.sent", "two");
}

/* Long enough to be made shorter, most of it being of former attempts. */
static void prepare_long(const Place *p)
{
    _cleanup_buffer_ Buffer b = {0};

    put(p, "a.deferred", "one");
    ck_assert_int_eq(buffer_append_string(&b, ANN), 0);
    while (buffer_size(&b) < 300 * 1024)
        ck_assert_int_eq(buffer_appendf(&b, "{\"event\":\"deferred\",\"text\":\"%01000d\"}\n%s", 0,
                             buffer_size(&b) % 5 == 0 ? RETRY : ""),
            0);
    ck_assert_int_eq(buffer_append(&b, RETRY, sizeof(RETRY)), 0);
    bind(p, "a.deferred", buffer_data(&b));
}

static void prepare_dead_waiting(const Place *p)
{
    put(p, "a.sending", "one");
    bind(p, "a.sending", ANN RETRY);
}

static void prepare_dead(const Place *p)
{
    put(p, "a.sending", "one");
    bind(p, "a.sending", ANN SENT);
}

static void complete(const Place *p, int marks)
{
    SpoolClaim *c = take(p, "a", SPOOL_QUEUED);

    mark(marks, MARK_ANYWAY);
    check(spool_complete(c, false, NULL, NULL));
}

static void complete_recorded(const Place *p, int marks)
{
    SpoolClaim *c = take(p, "a", SPOOL_QUEUED);

    mark(marks, MARK_ANYWAY); /* recovery ends it as soon as the line is there */
    add(c, ANN SENT);
    mark(marks, MARK_DELIVERED);
    check(spool_complete(c, false, NULL, NULL));
}

static void complete_kept(const Place *p, int marks)
{
    SpoolClaim *c = take(p, "a", SPOOL_QUEUED);

    add(c, ANN SENT);
    mark(marks, MARK_DELIVERED);
    check(spool_complete(c, true, NULL, NULL));
}

static void defer(const Place *p, int marks)
{
    SpoolClaim *c = take(p, "a", SPOOL_QUEUED);

    add(c, ANN);
    mark(marks, MARK_RECORDED);
    check(spool_defer(c, 5 * USEC_PER_SEC, NULL, NULL));
    c = take(p, "a", SPOOL_DEFERRED);
    check(spool_release(c, NULL, NULL));
}

static void give_up(const Place *p, int marks)
{
    SpoolClaim *c = take(p, "a", SPOOL_QUEUED);

    add(c, ANN);
    mark(marks, MARK_RECORDED);
    check(spool_fail(c, NULL, NULL));
}

/* While it is sent another message takes its name in the queue. */
static void release_taken(const Place *p, int marks)
{
    SpoolClaim *c = take(p, "a", SPOOL_QUEUED);

    add(c, ANN);
    mark(marks, MARK_RECORDED);
    put(p, "a.queued", "two");
    check(spool_release(c, NULL, NULL));
}

static void fail_link(const Place *p, int marks)
{
    SpoolClaim *c;

    (void)marks;
    if (spool_claim(p->spool, "a", SPOOL_QUEUED, 0, true, NOW, &c, NULL, NULL) != SPOOL_DEFECTIVE)
        _exit(14);
}

/* Another message has its name while it is claimed, and again while it is sent. */
static void claim_beside_sending(const Place *p, int marks)
{
    SpoolClaim *c, *other;

    mark(marks, MARK_RECORDED);
    put(p, "a.queued", "two");
    other = take(p, "a", SPOOL_QUEUED);
    c = take(p, "a", SPOOL_DEFERRED);
    check(spool_history_load(c, NULL));
    add(c, RETRY);
    check(spool_defer(c, 7, NULL, NULL));
    check(spool_release(other, NULL, NULL));
}

static void give_up_waiting(const Place *p, int marks)
{
    SpoolClaim *c;

    mark(marks, MARK_RECORDED);
    c = take(p, "a", SPOOL_DEFERRED);
    check(spool_history_load(c, NULL));
    add(c, "{\"event\":\"failed\"}\n");
    check(spool_fail(c, NULL, NULL));
}

/* It came too early. */
static void defer_again(const Place *p, int marks)
{
    SpoolClaim *c;

    mark(marks, MARK_RECORDED);
    c = take(p, "a", SPOOL_DEFERRED);
    check(spool_history_load(c, NULL));
    check(spool_defer(c, spool_claim_history(c)->next, NULL, NULL));
}

static void make_shorter(const Place *p, int marks)
{
    SpoolClaim *c;

    mark(marks, MARK_RECORDED);
    c = take(p, "a", SPOOL_DEFERRED);
    check(spool_history_load(c, NULL));
    if (spool_claim_record_bytes(c) > 100 * 1024)
        _exit(15);
    check(spool_release(c, NULL, NULL));
}

/* Somebody links the record, or replaces it, while the message is being sent. */
static void go_on(const Place *p, int marks, bool replace)
{
    SpoolClaim *c;

    mark(marks, MARK_RECORDED);
    c = take(p, "a", SPOOL_DEFERRED);
    check(spool_history_load(c, NULL));
    if (!replace)
        check(linkat(p->fd, "a.status", p->fd, "theirs", 0));
    else if (unlinkat(p->fd, "a.status", 0) < 0 || mkdirat(p->fd, "a.status", 0700) < 0)
        _exit(16);
    add(c, RETRY);
    check(spool_defer(c, 7, NULL, NULL));
}

static void go_on_linked(const Place *p, int marks)
{
    go_on(p, marks, false);
}

static void go_on_replaced(const Place *p, int marks)
{
    go_on(p, marks, true);
}

static void fail_defect(const Place *p, int marks)
{
    (void)marks;
    check(spool_fail_defect(take(p, "a", SPOOL_QUEUED), NOW, 303, "it is empty", NULL, NULL));
}

static void recover_waiting(const Place *p, int marks)
{
    mark(marks, MARK_RECORDED);
    check(spool_recover(p->spool, "a", false, NULL, NULL));
}

static void retry_and_hold(const Place *p, int marks)
{
    mark(marks, MARK_RECORDED);
    check(spool_retry(p->spool, "a", NULL));
    check(spool_hold(p->spool, "a", NULL));
    check(spool_unhold(p->spool, "a", NULL));
}

static void delete (const Place *p, int marks)
{
    mark(marks, MARK_ANYWAY);
    check(spool_delete(p->spool, "a", NULL));
}

static void recover(const Place *p, int marks)
{
    mark(marks, MARK_DELIVERED);
    check(spool_recover(p->spool, "a", false, NULL, NULL));
}

static void nothing(const Place *p)
{
    (void)p;
}

static void enqueue(const Place *p, int marks)
{
    SpoolWriter *w;
    char *path;

    check(spool_writer_new(p->path, &w, NULL));
    check(spool_writer_write(w, "one", 3, NULL));
    mark(marks, MARK_ANYWAY);
    check(spool_writer_commit(w, &path, NULL));
}

static const Scenario scenarios[] = {
    {"complete", prepare_new, complete},
    {"complete with a record", prepare_new, complete_recorded},
    {"complete with a former record", prepare_known, complete_recorded},
    {"complete and keep", prepare_known, complete_kept, .keep_sent = true},
    {"defer", prepare_new, defer},
    {"fail", prepare_new, give_up},
    {"fail beside a failed message", prepare_beside_failed, give_up},
    {"fail beside one without record", prepare_beside_failed_without_record, give_up},
    {"fail beside nobody's record", prepare_beside_orphan, give_up},
    {"fail to a taken name", prepare_crowded, give_up_waiting},
    {"release to a taken name", prepare_new, release_taken},
    {"claim beside one that is being sent", prepare_waiting, claim_beside_sending},
    {"fail what is no message", prepare_link, fail_link},
    {"fail a defect", prepare_new, fail_defect},
    {"fail a defect beside a failed message", prepare_beside_failed, fail_defect},
    {"defer again", prepare_waiting, defer_again},
    {"bind a former version's record", prepare_waiting_unbound, defer_again},
    {"make a record shorter", prepare_long, make_shorter},
    {"go on with a linked record", prepare_waiting, go_on_linked},
    {"go on with a replaced record", prepare_waiting, go_on_replaced, .may_forget = true},
    {"recover a waiting message", prepare_dead_waiting, recover_waiting},
    {"operate", prepare_failed, retry_and_hold},
    {"delete", prepare_failed, delete},
    {"recover a delivered message", prepare_dead, recover},
    {"enqueue", nothing, enqueue},
};

/* How many messages there are with that content; the last one's name. Links count as "link". */
static int count(const Place *p, const char *wanted, char ret_name[static SPOOL_NAME_MAX])
{
    DIR *stream = opendir(p->path);
    struct dirent *entry;
    SpoolState state;
    size_t length;
    int n = 0;

    while ((entry = readdir(stream))) {
        _cleanup_free_
        char *text = NULL;

        if (!spool_name_parse(entry->d_name, &state, &length))
            continue;
        text = entry->d_type == DT_LNK ? strdup("link") : content(p, entry->d_name);
        if (strcmp(text, wanted) == 0) {
            strcpy(ret_name, entry->d_name);
            n++;
        }
    }
    closedir(stream);
    return n;
}

/* What a daemon would know about that message when it came to it. */
static SpoolHistory history_of(const Place *p, const char *name)
{
    SpoolState state;
    size_t length;
    char id[SPOOL_NAME_MAX];
    SpoolHistory h = {0};
    SpoolClaim *c;
    int r;

    ck_assert(spool_name_parse(name, &state, &length));
    snprintf(id, sizeof(id), "%.*s", (int)length, name);
    if (state != SPOOL_QUEUED && state != SPOOL_DEFERRED) {
        ck_assert_int_eq(spool_history_load_id(p->spool, id, state, &h, NULL), 0);
        return h;
    }
    r = spool_claim(p->spool, id, state, 0, true, NOW, &c, NULL, NULL);
    if (r == -EPERM && there(p, "theirs")) { /* left alone, until somebody has looked at it */
        ck_assert_int_eq(unlinkat(p->fd, "theirs", 0), 0);
        r = spool_claim(p->spool, id, state, 0, true, NOW, &c, NULL, NULL);
    }
    ck_assert_int_eq(r, SPOOL_CLAIMED);
    ck_assert_int_eq(
        spool_history_load_id(p->spool, spool_claim_id(c), SPOOL_SENDING, &h, NULL), 0);
    ck_assert_int_eq(spool_release(c, NULL, NULL), 0);
    return h;
}

static void check_bystanders(const Scenario *s, const Place *p)
{
    char name[SPOOL_NAME_MAX];
    SpoolHistory h;

    if (s->prepare == prepare_beside_failed) {
        ck_assert_int_eq(count(p, "old", name), 1);
        ck_assert_str_eq(name, "a.failed");
        h = history_of(p, name);
        ck_assert(h.n_delivered == 1 && spool_history_has(&h, "old@example.com"));
        spool_history_done(&h);
    }
    if (count(p, "two", name) > 0) {
        h = history_of(p, name);
        ck_assert_msg(h.n_delivered == 0, "%s: another message's record", s->name);
        spool_history_done(&h);
    }
}

/* Whatever is left: the next message of that id goes on with nothing of it. */
static void check_next(const Scenario *s, const Place *p, int stop)
{
    char name[SPOOL_NAME_MAX];
    SpoolHistory h;

    (void)unlinkat(p->fd, "a.queued", 0);
    (void)unlinkat(p->fd, "a.queued", AT_REMOVEDIR);
    put(p, "a.queued", "next");
    h = history_of(p, "a.queued");
    ck_assert_msg(
        h.n_delivered == 0, "%s, stop %d: the next one would skip recipients", s->name, stop);
    spool_history_done(&h);
    ck_assert_int_eq(count(p, "next", name), 1);
}

static void check_message(const Scenario *s, const Place *p, int stop, int marks, bool killed)
{
    const char *text = s->run == fail_link ? "link" : "one";
    bool may_be_gone = !s->keep_sent && ((marks & (MARK_ANYWAY | MARK_DELIVERED)) ||
                                            s->run == enqueue || s->run == recover);
    char name[SPOOL_NAME_MAX];
    int n = count(p, text, name);
    SpoolHistory h;

    /* A link that can be no message may be there twice where renames know no flags. */
    if (n == 2 && s->run == fail_link && rename_error != 0)
        return;
    ck_assert_msg(n == 1 || (n == 0 && may_be_gone), "%s, stop %d: %d files", s->name, stop, n);
    ck_assert(killed || n == 1 || s->run != enqueue);
    if (n == 0 || s->run == fail_link)
        return;
    if ((marks & MARK_DELIVERED) || s->run == recover)
        ck_assert_msg(strcmp(name, "a.sent") == 0, "%s, stop %d: %s could be sent again", s->name,
            stop, name);
    h = history_of(p, name);
    ck_assert_msg(!spool_history_has(&h, "old@example.com"), "%s, stop %d", s->name, stop);
    if ((marks & MARK_RECORDED) && !s->may_forget)
        ck_assert_msg(spool_history_has(&h, "ann@example.com"), "%s, stop %d: %s forgot ann",
            s->name, stop, name);
    spool_history_done(&h);
}

/* What the next process does first: it takes up what the dead one was sending, and finishes what it
 * was renaming. */
static void sweep(const Scenario *s, const Place *p)
{
    SpoolScan *scan;
    SpoolEntry entry;

    ck_assert_int_eq(spool_scan_new(p->spool, &scan, NULL), 0);
    while (spool_scan_next(scan, &entry) > 0) {
        SpoolClaim *c;

        if (entry.state == SPOOL_SENDING)
            ck_assert_int_ge(spool_recover(p->spool, entry.id, s->keep_sent, NULL, NULL), 0);
        else if ((entry.state == SPOOL_QUEUED || entry.state == SPOOL_DEFERRED) &&
                 spool_claim(p->spool, entry.id, entry.state, 0, true, NOW, &c, NULL, NULL) == 0)
            ck_assert_int_eq(spool_release(c, NULL, NULL), 0);
    }
    spool_scan_free(scan);
}

START_TEST(a_kill_anywhere_loses_and_doubles_nothing)
{
    const Scenario *s = &scenarios[_i / 2];
    _cleanup_place_ Place p;
    bool killed = true;
    int stop, marks;

    rename_error = _i % 2 == 0 ? 0 : EINVAL;
    place_init(&p);
    for (stop = 0; killed; stop++) {
        s->prepare(&p);
        killed = run_until(s->run, &p, stop, &marks);
        for (int again = 0; again < 3; again++) /* what was put back under a new id as well */
            sweep(s, &p);
        check_bystanders(s, &p);
        check_message(s, &p, stop, marks, killed);
        check_next(s, &p, stop);
        place_empty(&p);
    }
    ck_assert_int_gt(stop, 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool_crash");
    TCase *t = tcase_create("spool_crash");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(
        t, a_kill_anywhere_loses_and_doubles_nothing, 0, 2 * (int)ELEMENTSOF(scenarios));
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
