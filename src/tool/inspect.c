/* Looking at messages for `list`, `show` and `status`. Must never lock, open for writing, or follow
 * a link. */
#include "tool/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "message/message.h"
#include "spool/record.h"
#include "tool/json.h"

static int copy_envelope(const Envelope *envelope, Inspection *ret)
{
    ret->sender = strdup(envelope->sender);
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

/* Sender and recipients; what stands in the way becomes the text. */
static int inspect_envelope(const Spool *spool, const char *name, Inspection *ret)
{
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_failure_ Failure f = {0};
    InputFile content;
    _cleanup_close_ int fd =
        openat(spool_directory_fd(spool), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int r = fd < 0 ? failure_set_errno(&f, -errno, "cannot open %s", name) : 0;

    if (r == -ENOENT)
        return r;
    input_file_init(&content, fd, ret->size);
    if (r >= 0)
        r = message_open(&content.base, ret->arrival, ret->id, &message, &f);
    if (r >= 0)
        return copy_envelope(message_envelope(message), ret);
    ret->text = TAKE_PTR(f.text);
    return r == -ENOMEM ? r : 0;
}

static int keep_line(void *user, const char *text, size_t n)
{
    json_t *line = json_loadb(text, n, 0, NULL);
    int r = 0;

    if (json_is_object(line)) /* a torn line is no more than that */
        r = json_array_append(user, line) < 0 ? -ENOMEM : 0;
    json_decref(line);
    return r;
}

json_t *inspect_record(const Spool *spool, const char *id, SpoolState state, Failure *f)
{
    json_t *lines = json_array();
    int r;

    if (!lines) {
        (void)failure_set_errno(f, -ENOMEM, "%s/%s.status", spool_path(spool), id);
        return NULL;
    }
    r = spool_record_read(spool, id, state, keep_line, lines, f);
    if (r == -ENOMEM)
        (void)failure_set_errno(f, r, "%s/%s.status", spool_path(spool), id);
    if (r < 0) {
        json_decref(lines);
        return NULL;
    }
    return lines;
}

/* What a line tells of a failure, the codes in front, becomes `*user`. */
static int keep_text(void *user, const char *data, size_t n)
{
    char **kept = user, *text = NULL;
    const char *event = NULL, *enhanced = "", *found = NULL;
    json_t *line = json_loadb(data, n, 0, NULL);
    int code = 0;

    (void)json_unpack(line, "{s?s, s?s, s?s, s?i}", "event", &event, "text", &found, "enhanced",
        &enhanced, "code", &code);
    if (found && event && strcmp(event, "delivered") != 0) {
        if (code == 0)
            text = strdup(found);
        else if (asprintf(&text, "%d %s%s%s", code, enhanced, *enhanced ? " " : "", found) < 0)
            text = NULL;
    }
    if (text) {
        free(*kept);
        *kept = text;
    }
    json_decref(line);
    return 0;
}

/* The text of the last line that tells of a failure. */
static char *last_text(const Spool *spool, const char *id, SpoolState state)
{
    char *text = NULL;

    (void)spool_record_read(spool, id, state, keep_text, &text, NULL);
    return text;
}

static int inspect_history(const Spool *spool, Inspection *ret)
{
    _cleanup_(spool_history_done) SpoolHistory history = {0};
    int r;

    r = spool_history_load_id(spool, ret->id, ret->state, &history, NULL);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    ret->attempts = history.attempts;
    for (size_t i = 0; i < ret->n_recipients; i++)
        ret->n_delivered += spool_history_has(&history, ret->recipients[i]);
    return 0;
}

int inspect(const Spool *spool, const char *id, SpoolState state, Inspection *ret)
{
    Inspection inspection = {.id = strdup(id), .state = state};
    char name[SPOOL_NAME_MAX];
    struct stat st;
    int r = inspection.id ? 0 : -ENOMEM;

    if (r >= 0 && (!spool_name_format(id, state, name) ||
                      fstatat(spool_directory_fd(spool), name, &st, AT_SYMLINK_NOFOLLOW) < 0))
        r = -ENOENT;
    if (r >= 0) {
        inspection.owner = st.st_uid;
        inspection.size = (uint64_t)st.st_size;
        inspection.arrival =
            (usec_t)st.st_mtim.tv_sec * USEC_PER_SEC + (usec_t)st.st_mtim.tv_nsec / 1000;
        inspection.next = state == SPOOL_DEFERRED ? spool_next_attempt(spool, id) : 0;
        r = inspect_envelope(spool, name, &inspection);
    }
    if (r >= 0)
        r = inspect_history(spool, &inspection);
    if (r >= 0) {
        char *text = last_text(spool, id, state);

        if (text) {
            free(inspection.text);
            inspection.text = text;
        }
    }
    if (r < 0)
        inspection_done(&inspection);
    else
        *ret = inspection;
    return r;
}

void inspection_done(Inspection *inspection)
{
    for (size_t i = 0; i < inspection->n_recipients; i++)
        free(inspection->recipients[i]);
    free(inspection->recipients);
    free(inspection->id);
    free(inspection->sender);
    free(inspection->text);
    *inspection = (Inspection){0};
}

json_t *inspection_to_json(const Inspection *i)
{
    json_t *recipients = json_array();

    for (size_t n = 0; n < i->n_recipients; n++)
        (void)json_array_append_new(recipients, json_text(i->recipients[n]));
    return json_pack("{s:o, s:s, s:I, s:I, s:o, s:o, s:i, s:o, s:o, s:i, s:o}", "id",
        json_text(i->id), "state", spool_state_name(i->state), "uid", (json_int_t)i->owner, "size",
        (json_int_t)i->size, "arrived", json_time(i->arrival), "next", json_time(i->next),
        "attempts", (int)i->attempts, "sender", json_text(i->sender), "recipients", recipients,
        "delivered", (int)i->n_delivered, "text", json_text(i->text));
}
