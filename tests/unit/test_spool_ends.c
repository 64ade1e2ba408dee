/* spool: every end of a claim, by its process and after its process died; all of it twice, the
 * second time on a file system whose renames know no flags. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "plain_rename.h"
#include "spool.h"
#include "spool/record.h"
#include "unit.h"

/* A record with that one line, for a claim. */
static void append(SpoolClaim *c, const char *text)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer b = {0};

    ck_assert_int_eq(buffer_append_string(&b, text), 0);
    ck_assert_msg(spool_record_append(c, &b, &f) == 0, "%s", failure_text(&f));
}

#define ANN "{\"event\":\"delivered\",\"recipient\":\"ann@example.com\"}\n"
#define SENT "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"sent\"}\n"

#define RETRY                                                                      \
    "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"retry\",\"attempt\":1," \
    "\"next\":\"2026-01-02T04:04:05.678901Z\"}\n"
#define RETRY_NEXT ((usec_t)1767326645678901)

START_TEST(every_end_of_a_claim)
{
    _cleanup_place_ Place p;
    SpoolClaim *c;
    usec_t next = 2000000123456789u;

    place_init(&p);
    put(&p, "a.queued", "1");
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    ck_assert_int_eq(spool_release(c, NULL, NULL), 0);
    assert_names(&p, "a.queued ");

    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    ck_assert_uint_eq(spool_next_attempt(p.spool, "a"), 0);
    append(c, ANN);
    ck_assert(spool_claim_has_record(c));
    ck_assert_int_eq(spool_defer(c, next, NULL, NULL), 0);
    assert_names(&p, "a.deferred a.status ");
    ck_assert_uint_eq(spool_next_attempt(p.spool, "a"), next);

    ck_assert_int_eq(spool_claim(p.spool, "a", SPOOL_DEFERRED, 0, false, NOW, &c, NULL, NULL), 0);
    ck_assert(spool_claim_has_record(c));
    append(c, ANN);
    ck_assert_int_eq(spool_fail(c, NULL, NULL), 0);
    assert_names(&p, "a.failed a.status ");

    ck_assert_int_eq(spool_retry(p.spool, "a", NULL), 0);
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    ck_assert(spool_claim_has_record(c));
    append(c, SENT);
    ck_assert_int_eq(spool_complete(c, true, NULL, NULL), 0);
    assert_names(&p, "a.sent a.status ");
    place_empty(&p);

    put(&p, "a.queued", "1");
    put(&p, "a.status", ANN);
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
    assert_names(&p, "");
}
END_TEST

/* Every end: what it returned. */
static int complete(SpoolClaim *c)
{
    int r = spool_complete(c, false, NULL, NULL);

    ck_assert_int_le(r, 0);
    return r;
}

static int keep(SpoolClaim *c)
{
    int r;

    append(c, SENT);
    r = spool_complete(c, true, NULL, NULL);
    ck_assert_int_le(r, 0);
    return r;
}

static int defer(SpoolClaim *c)
{
    append(c, RETRY);
    return spool_defer(c, RETRY_NEXT, NULL, NULL);
}

static int give_up(SpoolClaim *c)
{
    append(c, ANN);
    return spool_fail(c, NULL, NULL);
}

static int give_back(SpoolClaim *c)
{
    return spool_release(c, NULL, NULL);
}

static int (*const ends[])(SpoolClaim *c) = {complete, keep, defer, give_up, give_back};

static void take(Spool *spool, const char *id, SpoolClaim **ret)
{
    ck_assert_int_eq(
        spool_claim(spool, id, SPOOL_QUEUED, 0, true, NOW, ret, NULL, NULL), SPOOL_CLAIMED);
}

/* Its owner moves a message away while it is sent, and another one of that id comes: neither this
 * process nor another one ends the other in its place. */
START_TEST(what_came_under_the_name_of_a_message_that_was_moved_is_not_ended)
{
    _cleanup_place_ Place p;
    Spool *other = NULL;
    SpoolClaim *first, *second;
    char *text;
    bool process = _i % 2;

    place_init(&p);
    ck_assert_int_eq(fchmod(p.fd, 0730), 0);
    ck_assert_int_eq(spool_open(p.path, &other, NULL), 0);
    ck_assert(spool_is_shared(p.spool) && spool_is_shared(other));
    put(&p, "a.queued", "eve");
    take(p.spool, "a", &first);
    ck_assert_int_eq(renameat(p.fd, "a.sending", p.fd, ".mine"), 0);
    put(&p, "a.queued", "alice");
    take(process ? other : p.spool, "a", &second);
    ck_assert_int_eq(strcmp(spool_claim_id(second), "a") == 0, process);

    ck_assert_int_eq(ends[_i / 2](first), -ENOENT);
    (void)unlinkat(p.fd, "a.status", 0); /* the first one's */
    text = content(&p, ".mine");
    ck_assert_str_eq(text, "eve");
    free(text);
    ck_assert_int_eq(spool_release(second, NULL, NULL), 0);
    (void)unlinkat(p.fd, ".mine", 0);
    assert_names(&p, process ? "a.queued " : "a-*.queued ");
    spool_free(other);
}
END_TEST

START_TEST(a_released_message_goes_back_to_where_it_came_from)
{
    _cleanup_place_ Place p;
    SpoolClaim *c;
    char id[SPOOL_NAME_MAX];

    place_init(&p);
    put(&p, "a.queued", "1");
    put(&p, "a.status", RETRY);
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    ck_assert_int_eq(spool_claim_from(c), SPOOL_QUEUED);
    ck_assert_int_eq(spool_release(c, id, NULL), 0);
    ck_assert_str_eq(id, "a");
    assert_names(&p, "a.queued a.status ");
    ck_assert_int_eq(renameat(p.fd, "a.queued", p.fd, "a.deferred"), 0);

    for (int round = 0; round < 2; round++) {
        usec_t due = spool_next_attempt(p.spool, "a");

        ck_assert_int_eq(
            spool_claim(p.spool, "a", SPOOL_DEFERRED, 0, true, NOW, &c, NULL, NULL), 0);
        ck_assert_int_eq(spool_claim_from(c), SPOOL_DEFERRED);
        ck_assert_int_eq(spool_release(c, id, NULL), 0);
        assert_names(&p, "a.deferred a.status ");
        ck_assert_uint_eq(spool_next_attempt(p.spool, "a"), due);
    }
    /* One that came too early is put off to the time of its record, which stays as it is. */
    ck_assert_int_eq(spool_claim(p.spool, "a", SPOOL_DEFERRED, 0, true, NOW, &c, NULL, NULL), 0);
    ck_assert_int_eq(spool_history_load(c, NULL), 0);
    ck_assert_uint_eq(spool_claim_history(c)->next, RETRY_NEXT);
    ck_assert_int_eq(spool_defer(c, spool_claim_history(c)->next, id, NULL), 0);
    ck_assert_uint_eq(spool_next_attempt(p.spool, "a"), RETRY_NEXT);
    assert_names(&p, "a.deferred a.status ");
    /* A message that is due for the first time, with no record yet. */
    place_empty(&p);
    put(&p, "a.deferred", "1");
    ck_assert_int_eq(spool_claim(p.spool, "a", SPOOL_DEFERRED, 0, true, NOW, &c, NULL, NULL), 0);
    ck_assert_int_eq(spool_release(c, NULL, NULL), 0);
    assert_names(&p, "a.deferred ");
}
END_TEST

START_TEST(the_dead_wait_again_when_they_were_put_off)
{
    _cleanup_place_ Place p;
    char id[SPOOL_NAME_MAX];
    static const char deferred[] = "{\"event\":\"deferred\",\"recipient\":\"a@b.example\"}\n";

    place_init(&p);
    put(&p, "a.sending", "1");
    put(&p, "a.status", RETRY);
    ck_assert_int_eq(spool_recover(p.spool, "a", false, id, NULL), SPOOL_REDEFERRED);
    ck_assert_str_eq(id, "a");
    assert_names(&p, "a.deferred a.status ");
    ck_assert_uint_eq(spool_next_attempt(p.spool, "a"), RETRY_NEXT);
    place_empty(&p);
    /* In the middle of the next attempt, and with a last line that is torn or of a newer program.
     */
    put(&p, "a.sending", "1");
    put(&p, "a.status", RETRY);
    {
        _cleanup_close_ int fd = openat(p.fd, "a.status", O_WRONLY | O_APPEND);

        ck_assert_int_eq(file_write_all(fd, deferred, strlen(deferred)), 0);
    }
    ck_assert_int_eq(spool_recover(p.spool, "a", false, id, NULL), SPOOL_REQUEUED);
    place_empty(&p);
    put(&p, "a.sending", "1");
    put(&p, "a.deferred", "2"); /* the name is taken */
    put(&p, "a.status", RETRY "{\"event\":\"weighed\"}\n\n{\"event\":\"deliv");
    ck_assert_int_eq(spool_recover(p.spool, "a", false, id, NULL), SPOOL_REQUEUED);
    ck_assert_str_eq(id, "a"); /* nor is the record its own, then */
    assert_names(&p, "a.deferred a.queued a.status ");
    place_empty(&p);
    put(&p, "a.sending", "1");
    put(&p, "a.status", RETRY "{\"event\":\"weighed\"}\n\n{\"event\":\"deliv");
    ck_assert_int_eq(spool_recover(p.spool, "a", false, id, NULL), SPOOL_REDEFERRED);
}
END_TEST

START_TEST(every_end_tells_the_name_afterwards)
{
    static const SpoolState to[] = {SPOOL_SENT, SPOOL_DEFERRED, SPOOL_FAILED, SPOOL_QUEUED};

    for (size_t i = 0; i < 2 * ELEMENTSOF(to); i++) {
        _cleanup_place_ Place p;
        char id[SPOOL_NAME_MAX] = "", name[SPOOL_NAME_MAX];
        SpoolState end = to[i / 2];
        SpoolClaim *c;

        place_init(&p);
        put(&p, "a.queued", "new");
        ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
        append(c, ANN);
        ck_assert(spool_name_format("a", end, name));
        if (i % 2 == 1)
            put(&p, name, "other");
        switch (end) {
        case SPOOL_SENT: ck_assert_int_eq(spool_complete(c, true, id, NULL), 0); break;
        case SPOOL_DEFERRED: ck_assert_int_eq(spool_defer(c, 7, id, NULL), 0); break;
        case SPOOL_FAILED: ck_assert_int_eq(spool_fail(c, id, NULL), 0); break;
        default: ck_assert_int_eq(spool_release(c, id, NULL), 0); break;
        }
        if (i % 2 == 0)
            ck_assert_str_eq(id, "a");
        else
            ck_assert(strncmp(id, "a-", 2) == 0);
        ck_assert(spool_name_format(id, end, name) && there(&p, name));
        ck_assert(spool_name_format_record(id, name) && there(&p, name));
    }
}
END_TEST

static int syncs;    /* of files and directories */
static int bad_sync; /* the number of the one that fails; 0: none */

int fsync(int fd)
{
    (void)fd;
    errno = EIO;
    return ++syncs == bad_sync ? -1 : 0;
}

int fdatasync(int fd)
{
    return fsync(fd);
}

START_TEST(only_a_defect_does_not_wait_for_the_disk)
{
    _cleanup_place_ Place p;
    SpoolClaim *c;

    place_init(&p);
    put(&p, "a.queued", "");
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    syncs = 0;
    append(c, ANN);
    ck_assert_int_eq(syncs, 2); /* the record and, for it is new, the directory */
    append(c, ANN);
    ck_assert_int_eq(syncs, 3);
    ck_assert_int_eq(spool_fail_defect(c, NOW, 303, "it is empty", NULL, NULL), 0);
    ck_assert_int_eq(symlinkat("nowhere", p.fd, "b.queued"), 0);
    put(&p, "first", "");
    ck_assert_int_eq(linkat(p.fd, "first", p.fd, "c.queued", 0), 0);
    ck_assert_int_eq(claim(&p, "b", &c), SPOOL_DEFECTIVE);
    ck_assert_int_eq(claim(&p, "c", &c), SPOOL_DEFECTIVE);
    ck_assert_int_eq(syncs, 3);
    assert_names(&p, "a.failed a.status b.failed b.status c.failed c.status first ");
}
END_TEST

/* A line that was not brought to the disk is written again, and is there once; so long as the name
 * of a record is not there, each line waits for that too. */
START_TEST(what_did_not_come_to_the_disk_is_written_again)
{
    for (bad_sync = 1; bad_sync <= 2; bad_sync++) {
        _cleanup_place_ Place p;
        _cleanup_buffer_ Buffer b = {0};
        _cleanup_free_
        char *lines = NULL;
        SpoolClaim *c;

        place_init(&p);
        put(&p, "a.queued", "1");
        ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
        ck_assert_int_eq(buffer_append_string(&b, ANN), 0);
        syncs = 0;
        ck_assert_int_eq(spool_record_append(c, &b, NULL), -EIO);
        ck_assert_int_eq(syncs, bad_sync);
        append(c, ANN);
        ck_assert_int_eq(syncs, bad_sync + 2); /* the record and the directory */
        lines = record_lines(&p, "a.status");
        ck_assert_str_eq(lines, ANN);
        ck_assert_int_eq(spool_release(c, NULL, NULL), 0);
    }
    bad_sync = 0;
}
END_TEST

START_TEST(the_name_of_a_dead_process_record_is_brought_to_the_disk)
{
    _cleanup_place_ Place p;

    place_init(&p);
    put(&p, "a.sending", "1");
    put(&p, "b.sending", "1");
    put(&p, "b.status", ANN);
    syncs = 0;
    ck_assert_int_eq(spool_recover(p.spool, "a", false, NULL, NULL), SPOOL_REQUEUED);
    ck_assert_int_eq(syncs, 0);
    ck_assert_int_eq(spool_recover(p.spool, "b", false, NULL, NULL), SPOOL_REQUEUED);
    ck_assert_int_eq(syncs, 2); /* the lines and the name */
}
END_TEST

START_TEST(a_defect_that_the_caller_found_fails_with_its_reason)
{
    _cleanup_place_ Place p;
    _cleanup_free_
    char *record = NULL;
    char id[SPOOL_NAME_MAX], name[SPOOL_NAME_MAX];
    SpoolDefect defect = {.owner = FILE_OWNER_UNKNOWN};
    SpoolClaim *c;

    place_init(&p);
    put(&p, "a.failed", "other");
    put(&p, "a.queued", "");
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    ck_assert_int_eq(spool_fail_defect(c, NOW, 303, "it is empty", id, NULL), 0);
    assert_names(&p, "a-*.failed a-*.status a.failed ");
    ck_assert(spool_name_format_record(id, name));
    record = content(&p, name);
    ck_assert_ptr_nonnull(
        strstr(record, "\"event\":\"failed\",\"error\":303,\"text\":\"it is empty\""));
    /* What spool_claim() itself found: likewise. */
    ck_assert_int_eq(symlinkat("nowhere", p.fd, "b.queued"), 0);
    put(&p, "b.failed", "other");
    ck_assert_int_eq(
        spool_claim(p.spool, "b", SPOOL_QUEUED, 0, true, NOW, &c, &defect, NULL), SPOOL_DEFECTIVE);
    ck_assert(strncmp(defect.id, "b-", 2) == 0);
    ck_assert_uint_eq(defect.owner, geteuid());
    ck_assert(spool_name_format(defect.id, SPOOL_FAILED, name) && there(&p, name));
}
END_TEST

START_TEST(a_claim_whose_file_was_taken_away_says_so)
{
    _cleanup_place_ Place p;
    _cleanup_failure_ Failure f = {0};
    SpoolClaim *c;

    place_init(&p);
    put(&p, "a.queued", "1");
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    ck_assert_int_eq(unlinkat(p.fd, "a.sending", 0), 0);
    ck_assert_int_eq(spool_complete(c, false, NULL, &f), -ENOENT);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "delivered"));
    put(&p, "a.queued", "1");
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    ck_assert_int_eq(unlinkat(p.fd, "a.sending", 0), 0);
    ck_assert_int_eq(spool_release(c, NULL, &f), -ENOENT);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "moved or removed"));
}
END_TEST

START_TEST(nothing_is_overwritten_at_the_end_either)
{
    _cleanup_place_ Place p;
    SpoolClaim *c;

    place_init(&p);
    for (int record = 0; record < 2; record++) {
        _cleanup_free_
        char *old = NULL;

        put(&p, "a.queued", "new");
        ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
        if (record)
            append(c, ANN);
        put(&p, "a.sent", "old");
        ck_assert_int_eq(spool_complete(c, true, NULL, NULL), 0);
        assert_names(&p, record ? "a-*.sent a-*.status a.sent " : "a-*.sent a.sent ");
        old = content(&p, "a.sent");
        ck_assert_str_eq(old, "old");
        place_empty(&p);
    }
}
END_TEST

START_TEST(claims_of_the_dead_are_recovered)
{
    _cleanup_place_ Place p;
    SpoolClaim *c;

    place_init(&p);
    ck_assert_int_eq(spool_recover(p.spool, "a", false, NULL, NULL), 0);
    put(&p, "a.sending", "1");
    put(&p, "a.status", ANN);
    ck_assert_int_eq(spool_recover(p.spool, "a", false, NULL, NULL), 1);
    assert_names(&p, "a.queued a.status ");
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    ck_assert_int_eq(spool_recover(p.spool, "a", false, NULL, NULL), 0);
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
    assert_names(&p, "");

    /* It died after the last word of the record. */
    put(&p, "a.sending", "1");
    put(&p, "a.status", ANN SENT);
    ck_assert_int_eq(spool_recover(p.spool, "a", true, NULL, NULL), 2);
    assert_names(&p, "a.sent a.status ");
    ck_assert_int_eq(renameat(p.fd, "a.sent", p.fd, "a.sending"), 0);
    ck_assert_int_eq(spool_recover(p.spool, "a", false, NULL, NULL), 2);
    assert_names(&p, "");

    /* The name is taken: the record comes along. */
    put(&p, "a.sending", "1");
    put(&p, "a.status", ANN);
    put(&p, "a.queued", "2");
    ck_assert_int_eq(spool_recover(p.spool, "a", false, NULL, NULL), 1);
    assert_names(&p, "a-*.queued a-*.status a.queued ");
    place_empty(&p);

    /* A symbolic link is not followed, and fails when it is claimed. */
    ck_assert_int_eq(symlinkat("/etc/passwd", p.fd, "a.sending"), 0);
    ck_assert_int_eq(spool_recover(p.spool, "a", false, NULL, NULL), 1);
    assert_names(&p, "a.queued ");
    place_empty(&p);

    /* A rename made of link() and unlink() was cut off. */
    put(&p, "a.sending", "1");
    ck_assert_int_eq(linkat(p.fd, "a.sending", p.fd, "a.queued", 0), 0);
    ck_assert_int_eq(spool_recover(p.spool, "a", false, NULL, NULL), 1);
    assert_names(&p, "a.queued ");
    put(&p, "b.sending", "1");
    ck_assert_int_eq(linkat(p.fd, "b.sending", p.fd, "b.deferred", 0), 0);
    ck_assert_int_eq(spool_recover(p.spool, "b", false, NULL, NULL), SPOOL_REQUEUED);
    put(&p, "c.sending", "1");
    ck_assert_int_eq(linkat(p.fd, "c.sending", p.fd, "c.sent", 0), 0);
    put(&p, "c.status", RETRY);
    ck_assert_int_eq(spool_recover(p.spool, "c", false, NULL, NULL), SPOOL_REDEFERRED);
    assert_names(&p, "a.queued b.queued c.deferred c.status ");
}
END_TEST

START_TEST(a_process_that_dies_loses_its_claims)
{
    _cleanup_place_ Place p;
    int status;
    pid_t child;

    place_init(&p);
    put(&p, "a.queued", "1");
    child = fork();
    if (child == 0) {
        SpoolClaim *c;

        _exit(claim(&p, "a", &c) == SPOOL_CLAIMED ? 7 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WEXITSTATUS(status), 7);
    assert_names(&p, "a.sending ");
    ck_assert_int_eq(spool_recover(p.spool, "a", false, NULL, NULL), 1);
    assert_names(&p, "a.queued ");
}
END_TEST

/* It is taken over, and nothing else of its id is touched. */
START_TEST(changes_of_what_a_dead_process_was_sending)
{
    _cleanup_close_ int fd = -1;
    _cleanup_place_ Place p;
    _cleanup_failure_ Failure f = {0};

    place_init(&p);
    put(&p, "a.sending", "1");
    fd = openat(p.fd, "a.sending", O_RDONLY);
    ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
    ck_assert(!spool_is_abandoned(p.spool, "a"));
    ck_assert_int_eq(spool_retry(p.spool, "a", &f), -EBUSY);
    ck_assert_int_eq(spool_hold(p.spool, "a", &f), -EBUSY);
    ck_assert_int_eq(spool_delete(p.spool, "a", &f), -EBUSY);
    close_p(&fd);
    ck_assert(spool_is_abandoned(p.spool, "a"));
    ck_assert_int_eq(spool_unhold(p.spool, "a", &f), -ENOENT);
    assert_names(&p, "a.sending ");
    ck_assert_int_eq(spool_retry(p.spool, "a", &f), 0);
    assert_names(&p, "a.queued ");
    ck_assert_int_eq(renameat(p.fd, "a.queued", p.fd, "a.sending"), 0);
    ck_assert_int_eq(spool_hold(p.spool, "a", &f), 0);
    assert_names(&p, "a.held ");
    ck_assert_int_eq(renameat(p.fd, "a.held", p.fd, "a.sending"), 0);
    put(&p, "a.failed", "other");
    ck_assert_int_eq(spool_delete_in(p.spool, "a", SPOOL_SENDING, &f), 0);
    assert_names(&p, "a.failed ");
    ck_assert_int_eq(renameat(p.fd, "a.failed", p.fd, "a.sending"), 0);
    put(&p, "a.queued", "other");
    ck_assert_int_eq(spool_move(p.spool, "a", SPOOL_QUEUED, SPOOL_HELD, &f), 0);
    assert_names(&p, "a.held a.sending ");
    ck_assert_int_eq(spool_move(p.spool, "a", SPOOL_SENDING, SPOOL_QUEUED, &f), 0);
    assert_names(&p, "a.held a.queued ");
}
END_TEST

/* spool.keep_sent, of one that its process had delivered. */
START_TEST(what_an_operator_finds_to_be_sent_is_kept)
{
    for (int keeps = 0; keeps < 2; keeps++) {
        _cleanup_place_ Place p;
        _cleanup_failure_ Failure f = {0};

        place_init(&p);
        put(&p, "a.sending", "1");
        put(&p, "a.status", ANN SENT);
        if (keeps)
            spool_keep_sent(p.spool);
        ck_assert_int_eq(
            keeps ? spool_hold(p.spool, "a", &f) : spool_retry(p.spool, "a", &f), -ENOENT);
        assert_names(&p, keeps ? "a.sent a.status " : "");
    }
}
END_TEST

static void add_tests(TCase *t)
{
    tcase_add_test(t, what_an_operator_finds_to_be_sent_is_kept);
    tcase_add_test(t, changes_of_what_a_dead_process_was_sending);
    tcase_add_test(t, every_end_of_a_claim);
    tcase_add_loop_test(t, what_came_under_the_name_of_a_message_that_was_moved_is_not_ended, 0,
        2 * (int)ELEMENTSOF(ends));
    tcase_add_test(t, a_released_message_goes_back_to_where_it_came_from);
    tcase_add_test(t, the_dead_wait_again_when_they_were_put_off);
    tcase_add_test(t, every_end_tells_the_name_afterwards);
    tcase_add_test(t, only_a_defect_does_not_wait_for_the_disk);
    tcase_add_test(t, what_did_not_come_to_the_disk_is_written_again);
    tcase_add_test(t, the_name_of_a_dead_process_record_is_brought_to_the_disk);
    tcase_add_test(t, a_defect_that_the_caller_found_fails_with_its_reason);
    tcase_add_test(t, a_claim_whose_file_was_taken_away_says_so);
    tcase_add_test(t, nothing_is_overwritten_at_the_end_either);
    tcase_add_test(t, claims_of_the_dead_are_recovered);
    tcase_add_test(t, a_process_that_dies_loses_its_claims);
}

int main(void)
{
    Suite *suite = suite_create("spool_ends");
    TCase *t = tcase_create("spool_ends"), *plain = tcase_create("spool_ends, renames by link");

    tcase_set_timeout(t, 60);
    tcase_set_timeout(plain, 60);
    tcase_add_checked_fixture(plain, know_no_flags, NULL);
    add_tests(t);
    add_tests(plain);
    suite_add_tcase(suite, t);
    suite_add_tcase(suite, plain);
    return unit_run(suite);
}
