/* Looking at messages for `list` and `show`. Must never lock, open for writing, or read what is no
 * message of this queue. */
#include "tool/inspect.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/idn.h"
#include "message/message.h"
#include "spool/record.h"
#include "tool/json.h"

static int copy_envelope(const Envelope *envelope, Inspection *ret)
{
    ret->sender = strdup(envelope->sender);
    ret->lane = envelope->lane ? strdup(envelope->lane) : NULL;
    ret->recipients = calloc(envelope->n_recipients + 1, sizeof(char *));
    if (!ret->sender || !ret->recipients)
        return -ENOMEM;
    for (; ret->n_recipients < envelope->n_recipients; ret->n_recipients++) {
        ret->recipients[ret->n_recipients] =
            strdup(envelope->recipients[ret->n_recipients].address);
        if (!ret->recipients[ret->n_recipients])
            return -ENOMEM;
    }
    return 0;
}

/* Why a message cannot be read becomes the text, unless it is something that others would meet too.
 */
static int cannot_inspect(int error, Failure *f, Inspection *ret)
{
    if (error == -ENOENT || error_is_common(error))
        return error;
    ret->text = TAKE_PTR(f->text);
    return ret->text ? 0 : -ENOMEM;
}

static void note_file(const struct stat *st, Inspection *ret)
{
    ret->owner = st->st_uid;
    ret->size = (uint64_t)st->st_size;
    ret->arrival = (usec_t)st->st_mtim.tv_sec * USEC_PER_SEC + (usec_t)st->st_mtim.tv_nsec / 1000;
}

/* Size, time, sender and recipients, all of one file. */
static int inspect_message(const Spool *spool, Inspection *ret)
{
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_failure_ Failure f = {0};
    InputFile content;
    struct stat st = {0};
    _cleanup_close_ int fd = spool_open_message(spool, ret->id, ret->state, &st, &f);
    int r = fd;

    if (fd < 0) {
        if (spool_look_at(spool, ret->id, ret->state, &st) >= 0)
            note_file(&st, ret);
        return cannot_inspect(fd, &f, ret);
    }
    note_file(&st, ret);
    ret->owner = spool_submitter(spool, fd, &st);
    input_file_init(&content, fd, ret->size);
    r = message_open(&content.base, ret->arrival, ret->id, &message, &f);
    if (r < 0)
        return cannot_inspect(r, &f, ret);
    ret->next = message_envelope(message)->not_before;
    return copy_envelope(message_envelope(message), ret);
}

/* 1 with the line as an object; 0 for one that is torn, which is no more than that; or -ENOMEM. */
static int load_line(const char *text, size_t n, json_t **ret)
{
    int r = spool_record_line_load(text, n, ret);

    return r < 0 ? r : json_is_object(*ret);
}

static int keep_line(void *user, const char *text, size_t n)
{
    json_t *line;
    int r = load_line(text, n, &line);

    if (r > 0)
        r = json_array_append(user, line) < 0 ? -ENOMEM : 0;
    json_decref(line);
    return r;
}

int inspect_record(const Spool *spool, const char *id, SpoolState state, json_t **ret, Failure *f)
{
    json_t *lines = json_array();
    int r = lines ? spool_record_read(spool, id, state, keep_line, lines, f) : -ENOMEM;

    if (r == -ENOMEM)
        (void)failure_set_errno(f, r, "%s/%s.status", spool_path(spool), id);
    if (r < 0 && error_is_common(r)) {
        json_decref(lines);
        return r;
    }
    *ret = lines;
    return 0;
}

/* What a line tells of a failure, the codes in front; NULL where it tells of none. 0 or -ENOMEM. */
static int text_of_line(const json_t *line, char **ret)
{
    const char *event = json_string_value(json_object_get(line, "event"));
    const char *enhanced = json_string_value(json_object_get(line, "enhanced")) ?: "";
    const char *found = json_string_value(json_object_get(line, "text"));
    int code = (int)json_integer_value(json_object_get(line, "code"));

    *ret = NULL;
    if (!found || !event || strcmp(event, "delivered") == 0)
        return 0;
    if (code == 0)
        *ret = strdup(found);
    else if (asprintf(ret, "%d %s%s%s", code, enhanced, *enhanced ? " " : "", found) < 0)
        *ret = NULL;
    return *ret ? 0 : -ENOMEM;
}

/* The last of what lines tell. */
typedef struct Told {
    char *text, *relay;
} Told;

static void told_done(Told *told)
{
    free(told->text);
    free(told->relay);
}

static void replace(char **kept, char *by)
{
    if (!by)
        return;
    free(*kept);
    *kept = by;
}

static int keep_told(void *user, const char *data, size_t n)
{
    const char *relay;
    Told *told = user;
    char *text = NULL, *name = NULL;
    json_t *line;
    int r = load_line(data, n, &line);

    if (r > 0)
        r = text_of_line(line, &text);
    relay = r < 0 ? NULL : json_string_value(json_object_get(line, "relay"));
    name = relay ? strdup(relay) : NULL;
    if (relay && !name)
        r = -ENOMEM;
    replace(&told->text, text);
    replace(&told->relay, name);
    json_decref(line);
    return MIN(r, 0);
}

/* The text of the last line that tells of a failure says more than any other; why the record cannot
 * be read says less. */
static int inspect_told(const Spool *spool, Inspection *ret)
{
    _cleanup_(told_done) Told told = {0};
    _cleanup_failure_ Failure f = {0};
    int r = spool_record_read(spool, ret->id, ret->state, keep_told, &told, &f);

    replace(&ret->text, TAKE_PTR(told.text));
    ret->relay = TAKE_PTR(told.relay);
    if (r < 0 && error_is_common(r))
        return r;
    if (r < 0 && r != -EINVAL && !ret->text) /* with a name so long there is no record */
        ret->text = TAKE_PTR(f.text);
    return 0;
}

static int inspect_history(const Spool *spool, Inspection *ret)
{
    _cleanup_(spool_history_done) SpoolHistory history = {0};
    int r;

    r = spool_history_load_id(spool, ret->id, ret->state, &history, NULL);
    if (r < 0)
        return error_is_common(r) ? r : 0;
    ret->attempts = history.tries;
    for (size_t i = 0; r >= 0 && i < ret->n_recipients; i++) {
        _cleanup_free_
        char *mailbox = NULL;

        r = address_to_ascii_domain(ret->recipients[i], &mailbox);
        ret->n_delivered += r == 0 && spool_history_has(&history, mailbox ?: ret->recipients[i]);
    }
    return r;
}

/* A time to begin with holds in the queue, until the message is tried. */
static usec_t next_of(const Spool *spool, const Inspection *i)
{
    if (i->state == SPOOL_DEFERRED)
        return spool_next_attempt(spool, i->id);
    return i->state == SPOOL_QUEUED && i->next > clock_realtime() && i->attempts == 0 ? i->next : 0;
}

int inspect(const Spool *spool, const char *id, SpoolState state, Inspection *ret)
{
    Inspection inspection = {.id = strdup(id), .state = state};
    int r = inspection.id ? inspect_message(spool, &inspection) : -ENOMEM;

    if (r >= 0)
        r = inspect_history(spool, &inspection);
    if (r >= 0)
        r = inspect_told(spool, &inspection);
    if (r >= 0)
        inspection.next = next_of(spool, &inspection);
    if (r < 0)
        inspection_done(&inspection);
    else
        *ret = inspection;
    return r;
}

int inspections_take(Inspections *inspections, Inspection *message)
{
    if (inspections->n == inspections->allocated) {
        size_t n = 2 * inspections->allocated + 64;
        Inspection *all = reallocarray(inspections->all, n, sizeof(*all));

        if (!all)
            return -ENOMEM;
        inspections->all = all;
        inspections->allocated = n;
    }
    inspections->all[inspections->n++] = *message;
    *message = (Inspection){0};
    return 0;
}

void inspections_done(Inspections *inspections)
{
    for (size_t i = 0; i < inspections->n; i++)
        inspection_done(&inspections->all[i]);
    free(inspections->all);
}

void inspection_done(Inspection *inspection)
{
    for (size_t i = 0; i < inspection->n_recipients; i++)
        free(inspection->recipients[i]);
    free(inspection->recipients);
    free(inspection->id);
    free(inspection->sender);
    free(inspection->lane);
    free(inspection->text);
    free(inspection->relay);
    free(inspection->role);
    *inspection = (Inspection){0};
}

static json_t *owner_to_json(uid_t owner)
{
    return owner == FILE_OWNER_UNKNOWN ? json_null() : json_integer((json_int_t)owner);
}

json_t *inspection_to_json(const Inspection *i)
{
    json_t *json, *recipients = json_array();

    for (size_t n = 0; recipients && n < i->n_recipients; n++)
        if (json_array_append_new(recipients, json_text(i->recipients[n])) < 0) {
            json_decref(recipients);
            recipients = NULL;
        }
    json = json_pack("{s:o, s:s, s:o, s:I, s:o, s:o, s:i, s:o, s:o, s:o, s:i, s:o, s:o}", "id",
        json_text(i->id), "state", spool_state_name(i->state), "uid", owner_to_json(i->owner),
        "size", (json_int_t)i->size, "arrived", json_time(i->arrival), "next", json_time(i->next),
        "attempts", (int)i->attempts, "lane", json_text(i->lane), "sender", json_text(i->sender),
        "recipients", recipients, "delivered", (int)i->n_delivered, "text", json_text(i->text),
        "relay", json_text(i->relay));
    if (i->role && json_object_set_new(json, "role", json_text(i->role)) < 0) {
        json_decref(json);
        json = NULL;
    }
    return json;
}
