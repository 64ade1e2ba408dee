/* Submitted messages into the database. Must never call one queued whose transaction has not
 * committed, nor queue one twice. */
#include "daemon/submit_database.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "base/input.h"
#include "database/put.h"
#include "queue/put.h"

#define TRIES_MAX 2 /* of a group whose connection is lost */
#define READ_BYTES ((size_t)256 * 1024)

struct SubmitLink {
    char *conninfo;
    Database *database; /* NULL: not connected */
};

int submit_link_new(const char *conninfo, SubmitLink **ret)
{
    SubmitLink *link = calloc(1, sizeof(*link));

    if (link)
        link->conninfo = strdup(conninfo);
    if (!link || !link->conninfo) {
        free(link);
        return -ENOMEM;
    }
    *ret = link;
    return 0;
}

void submit_link_free(SubmitLink *link)
{
    if (!link)
        return;
    database_close(link->database);
    explicit_bzero(link->conninfo, strlen(link->conninfo));
    free(link->conninfo);
    free(link);
}

int submit_link_open(SubmitLink *link, Failure *f)
{
    return link->database ? 0 : database_open(link->conninfo, &link->database, f);
}

/* ---- one message ---- */

typedef struct Content {
    InputFile file;
    InputMemory memory;
    Input *input;
    uint64_t at; /* from where on it is to be read */
} Content;

static int open_content(const SubmitItem *item, Content *ret, Failure *f)
{
    struct stat st;

    if (item->fd < 0) {
        input_memory_init(&ret->memory, buffer_data(&item->data), buffer_size(&item->data));
        ret->input = &ret->memory.base;
        return 0;
    }
    if (fstat(item->fd, &st) < 0)
        return failure_set_errno(f, -errno, "cannot read what was submitted");
    input_file_init(&ret->file, item->fd, (uint64_t)st.st_size);
    ret->input = &ret->file.base;
    return 0;
}

static int read_content(void *source, Buffer *out, Failure *f)
{
    Content *content = source;
    char *room = buffer_reserve(out, READ_BYTES);
    ssize_t n = room ? input_read_at(content->input, room, READ_BYTES, content->at) : -ENOMEM;

    if (n < 0)
        return failure_set_errno(f, (int)n, "cannot read what was submitted");
    buffer_commit(out, (size_t)n);
    content->at += (uint64_t)n;
    return n > 0;
}

/* What is no message would be of no use there: it is looked at first. */
static int put_item(Database *database, SubmitItem *item, Failure *f)
{
    _cleanup_(message_free_p) Message *message = NULL;
    DatabaseMessage asked = {.key = item->asked_key ?: item->key, .uid = item->uid};
    Content content = {0};
    int r = open_content(item, &content, f);

    if (r >= 0)
        r = queue_look(content.input, NULL, &message, f);
    if (r < 0)
        return r;
    asked.envelope = message_envelope(message);
    content.at = message_block_size(message);
    return database_put_within(database, &asked, "", 0, read_content, &content, &item->id, f);
}

/* ---- a group ---- */

/* What is wrong with one message is told of it, and the others go on. */
static int put_beside_others(Database *database, SubmitItem *item, Failure *f)
{
    int r = database_run(database, "SAVEPOINT one", f);

    if (r < 0)
        return r;
    r = put_item(database, item, &item->failure);
    if (r >= 0)
        return database_run(database, "RELEASE one", f);
    item->error = r;
    r = database_run(database, "ROLLBACK TO one; RELEASE one", f);
    if (r < 0)
        item->error = 0; /* it goes with the others */
    return r;
}

static int put_group(
    Database *database, SubmitItem **items, size_t n, bool *ret_doubtful, Failure *f)
{
    int r = database_run(database, "BEGIN", f);

    for (size_t i = 0; r >= 0 && i < n; i++)
        if (items[i]->error >= 0)
            r = put_beside_others(database, items[i], f);
    if (r < 0)
        return r;
    r = database_run(database, "COMMIT", f);
    *ret_doubtful = *ret_doubtful || database_is_doubtful(r);
    return r;
}

/* Nothing of them is there. With the keys that they were given, those that the lost answer was
 * about are not queued twice. */
static int put_once_more(
    SubmitLink *link, SubmitItem **items, size_t n, bool *ret_doubtful, Failure *f)
{
    int r = -ECONNRESET;

    for (int tries = 0; database_is_doubtful(r) && tries < TRIES_MAX; tries++) {
        failure_done(f);
        *f = (Failure){0};
        for (size_t i = 0; i < n; i++)
            if (items[i]->error >= 0)
                items[i]->id = (free(items[i]->id), NULL);
        r = submit_link_open(link, f);
        if (r < 0)
            return r;
        r = put_group(link->database, items, n, ret_doubtful, f);
        if (r < 0)
            link->database = (database_close(link->database), NULL);
    }
    return r;
}

void submit_link_put(SubmitLink *link, SubmitItem **items, size_t n)
{
    _cleanup_failure_ Failure f = {0};
    bool doubtful = false;
    int r = put_once_more(link, items, n, &doubtful, &f);

    for (size_t i = 0; r < 0 && i < n; i++) {
        if (items[i]->error < 0)
            continue;
        items[i]->id = (free(items[i]->id), NULL);
        items[i]->error = doubtful ? failure_set(&items[i]->failure, r, f.number,
                                         "it is not known whether the message was queued: %s; look "
                                         "with `outbox list`",
                                         failure_text(&f))
                                   : failure_set(&items[i]->failure, r, f.number,
                                         "%s; nothing was queued", failure_text(&f));
    }
}

/* ---- counting ---- */

int submit_database_count(
    const char *conninfo, void (*count)(void *census, uid_t uid, uint64_t n), void *census)
{
    _cleanup_(database_close_p) Database *database = NULL;
    _cleanup_database_rows_ DatabaseRows rows = {0};

    int r = database_open(conninfo, &database, NULL);

    if (r >= 0)
        r = database_query(database, "SELECT uid, messages FROM outbox.waiting()",
            DATABASE_NO_VALUES, &rows, NULL);
    if (r < 0)
        return r;
    for (int i = 0; i < rows.n; i++)
        count(census, (uid_t)database_number(&rows, i, 0), (uint64_t)database_number(&rows, i, 1));
    return 0;
}
