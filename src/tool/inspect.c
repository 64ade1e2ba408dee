/* Looking at messages for `list`, `show` and `status`. Must never lock, open for writing, or follow
 * a link. */
#include "tool/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "base/file.h"
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

json_t *inspect_record(const Spool *spool, const char *id, Failure *f)
{
    _cleanup_buffer_ Buffer bytes = {0};
    char name[SPOOL_NAME_MAX];
    json_t *lines = json_array();
    int r;

    if (!lines || !spool_name_format_record(id, name))
        return lines;
    r = file_load(spool_directory_fd(spool), name, SPOOL_RECORD_MAX, &bytes);
    if (r < 0 && r != -ENOENT) {
        json_decref(lines);
        (void)failure_set_errno(f, r, "cannot read %s/%s", spool_path(spool), name);
        return NULL;
    }
    while (buffer_size(&bytes) > 0) {
        const char *end = memchr(buffer_data(&bytes), '\n', buffer_size(&bytes));
        size_t n = end ? (size_t)(end - buffer_data(&bytes)) : buffer_size(&bytes);
        json_t *line = json_loadb(buffer_data(&bytes), n, 0, NULL);

        if (json_is_object(line)) /* a torn line is no more than that */
            (void)json_array_append(lines, line);
        json_decref(line);
        buffer_consume(&bytes, end ? n + 1 : n);
    }
    return lines;
}

/* The text of the last line that tells of a failure, its codes in front. */
static char *last_text(const Spool *spool, const char *id)
{
    json_t *lines = inspect_record(spool, id, NULL);
    char *text = NULL;

    for (size_t i = json_array_size(lines); i > 0 && !text; i--) {
        const char *event = NULL, *enhanced = "", *found = NULL;
        int code = 0;

        (void)json_unpack(json_array_get(lines, i - 1), "{s?s, s?s, s?s, s?i}", "event", &event,
            "text", &found, "enhanced", &enhanced, "code", &code);
        if (!found || !event || strcmp(event, "delivered") == 0)
            continue;
        if (code == 0)
            text = strdup(found);
        else if (asprintf(&text, "%d %s%s%s", code, enhanced, *enhanced ? " " : "", found) < 0)
            text = NULL;
    }
    json_decref(lines);
    return text;
}

static int inspect_history(const Spool *spool, Inspection *ret)
{
    _cleanup_(spool_history_done) SpoolHistory history = {0};
    int r;

    r = spool_history_load_id(spool, ret->id, &history, NULL);
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
        inspection.size = (uint64_t)st.st_size;
        inspection.arrival =
            (usec_t)st.st_mtim.tv_sec * USEC_PER_SEC + (usec_t)st.st_mtim.tv_nsec / 1000;
        inspection.next = state == SPOOL_DEFERRED ? spool_next_attempt(spool, id) : 0;
        r = inspect_envelope(spool, name, &inspection);
    }
    if (r >= 0)
        r = inspect_history(spool, &inspection);
    if (r >= 0) {
        char *text = last_text(spool, id);

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
    return json_pack("{s:o, s:s, s:I, s:o, s:o, s:i, s:o, s:o, s:i, s:o}", "id", json_text(i->id),
        "state", spool_state_name(i->state), "size", (json_int_t)i->size, "arrived",
        json_time(i->arrival), "next", json_time(i->next), "attempts", (int)i->attempts, "sender",
        json_text(i->sender), "recipients", recipients, "delivered", (int)i->n_delivered, "text",
        json_text(i->text));
}
