/* What a message's properties make: the file, and of it header and body. Must never change what was
 * made while a client is sending it. */
#include "lib/message_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "lib/own.h"

#define ERRNO_MAX 4095                   /* of Linux */
#define MEMORY_MAX ((size_t)1024 * 1024) /* a larger one goes to a file without a name */
#define READ_BYTES ((size_t)64 * 1024)

/* ---- From properties to what composing takes ---- */

/* What composing borrows beside the message itself. */
typedef struct Parts {
    const char *to[2], *cc[2], *bcc[2];
    char *header_text;
    const char **headers;
    ComposeRecipient *recipients;
    ComposePart *parts;
} Parts;

static void parts_done(Parts *parts)
{
    free(parts->header_text);
    free(parts->headers);
    free(parts->recipients);
    free(parts->parts);
}

static const char *text_of(const OutboxMessage *message, Property p)
{
    const char *text = message->properties[p];

    return text && *text ? text : NULL;
}

static bool is_set_to(const OutboxMessage *message, Property p, const char *value)
{
    return message->properties[p] && strcmp(message->properties[p], value) == 0;
}

/* No more than the program may give, and no number that is none. */
static ssize_t read_stream(void *user, void *to, size_t n)
{
    const MessageContent *content = user;
    ssize_t r = content->stream.read(content->stream.user, to, n);

    if (r > (ssize_t)n)
        return -EOVERFLOW;
    return r < -ERRNO_MAX ? -EIO : r;
}

static ComposeSource source_of(const MessageContent *content)
{
    if (!content->streams)
        return content->data ? compose_bytes(content->data, content->n) : (ComposeSource){0};
    return (ComposeSource){
        .origin = COMPOSE_CALLBACK,
        .read = read_stream,
        .user = (void *)content,
    };
}

static int take_headers(const OutboxMessage *message, Parts *parts)
{
    const char *text = text_of(message, PROPERTY_OTHER_HEADERS);

    if (!text)
        return 0;
    parts->header_text = strdup(text);
    if (!parts->header_text)
        return -ENOMEM;
    return compose_split_headers(parts->header_text, &parts->headers);
}

static int take_recipients(const OutboxMessage *message, Parts *parts)
{
    parts->recipients = calloc(message->n_added + 1, sizeof(ComposeRecipient));
    if (!parts->recipients)
        return -ENOMEM;
    for (size_t i = 0; i < message->n_added; i++)
        parts->recipients[i] = (ComposeRecipient){
            .kind = (ComposeKind)message->added[i].kind,
            .address = message->added[i].address,
            .name = message->added[i].name,
            .options = message->added[i].options,
        };
    return 0;
}

static int take_parts(OutboxMessage *message, Parts *parts)
{
    parts->parts = calloc(message->n_parts + 1, sizeof(ComposePart));
    if (!parts->parts)
        return -ENOMEM;
    for (size_t i = 0; i < message->n_parts; i++) {
        const MessagePart *part = &message->parts[i];
        struct stat st;

        /* A pipe or a device could keep the call for ever. */
        if (part->path && stat(part->path, &st) == 0 && !S_ISREG(st.st_mode))
            return failure_set(&message->failure, -EBADMSG, ERROR_ATTACHMENT,
                "%s is no regular file: name one, or give its bytes", part->path);
        parts->parts[i] = (ComposePart){
            .source = part->path ? compose_file(part->path) : compose_bytes(part->data, part->n),
            .name = part->name,
            .type = part->type,
            .content_id = part->content_id,
            .is_inline = part->content_id != NULL,
        };
    }
    return 0;
}

static int describe(OutboxMessage *message, Parts *parts, Compose *ret)
{
    const char *length = message->properties[PROPERTY_MAX_HEADER_LENGTH];
    int r = take_headers(message, parts)
                ?: take_recipients(message, parts) ?: take_parts(message, parts);

    if (r < 0)
        return r;
    parts->to[0] = text_of(message, PROPERTY_TO);
    parts->cc[0] = text_of(message, PROPERTY_CC);
    parts->bcc[0] = text_of(message, PROPERTY_BCC);
    *ret = (Compose){
        .from = text_of(message, PROPERTY_FROM),
        .to = parts->to,
        .cc = parts->cc,
        .bcc = parts->bcc,
        .recipients = parts->recipients,
        .n_recipients = message->n_added,
        .reply_to = text_of(message, PROPERTY_REPLY_TO),
        .return_path = text_of(message, PROPERTY_RETURN_PATH),
        .subject = text_of(message, PROPERTY_SUBJECT),
        .date = message->properties[PROPERTY_DATE],
        .message_id = message->properties[PROPERTY_MESSAGE_ID],
        .delivery_notification_to = text_of(message, PROPERTY_DELIVERY_NOTIFICATION_TO),
        .read_receipt_to = text_of(message, PROPERTY_READ_RECEIPT_TO),
        .importance = (ComposeImportance)compose_word_find(
            WORD_IMPORTANCE, message->properties[PROPERTY_IMPORTANCE] ?: ""),
        .priority = (ComposePriority)compose_word_find(
            WORD_PRIORITY, message->properties[PROPERTY_PRIORITY] ?: ""),
        .sensitivity = (ComposeSensitivity)compose_word_find(
            WORD_SENSITIVITY, message->properties[PROPERTY_SENSITIVITY] ?: ""),
        .headers = parts->headers,
        .body = source_of(&message->contents[OUTBOX_TEXT]),
        .html = source_of(&message->contents[OUTBOX_HTML]),
        .parts = parts->parts,
        .n_parts = message->n_parts,
        .now = clock_realtime(),
        .style =
            {
                .charset = text_of(message, PROPERTY_CHARSET),
                .unfolded = is_set_to(message, PROPERTY_FOLD_HEADERS, "False"),
                .max_header_length = length ? (unsigned)strtoul(length, NULL, 10) : 0,
                .allow_empty_to = is_set_to(message, PROPERTY_ALLOW_EMPTY_TO, "True"),
                .message_id_algorithm = text_of(message, PROPERTY_MESSAGE_ID_ALGORITHM),
            },
    };
    return 0;
}

/* ---- The file ---- */

/* Adds to the file: what is small stays in memory. 0 or a negative errno with a Failure. */
static int keep(OutboxMessage *message, const Buffer *data, Failure *f)
{
    int r = 0;

    message->size += buffer_size(data);
    if (message->scratch_fd < 0 && message->size <= MEMORY_MAX)
        return buffer_append(&message->memory, buffer_data(data), buffer_size(data));
    if (message->scratch_fd < 0) {
        message->scratch_fd = file_scratch();
        r = message->scratch_fd < 0
                ? message->scratch_fd
                : file_write_all(message->scratch_fd, buffer_data(&message->memory),
                      buffer_size(&message->memory));
        buffer_done(&message->memory);
    }
    if (r >= 0)
        r = file_write_all(message->scratch_fd, buffer_data(data), buffer_size(data));
    return r < 0
               ? failure_set_errno(f, r,
                     "cannot keep the message in a temporary file; TMPDIR names another directory")
               : 0;
}

static int copy_fields(OutboxMessage *message, Composed *composed)
{
    const ComposeField *fields;
    size_t n;
    int r = composed_fields(composed, &fields, &n);

    if (r < 0)
        return r;
    message->fields = calloc(n + 1, sizeof(OutboxHeader));
    if (!message->fields)
        return -ENOMEM;
    for (; message->n_fields < n; message->n_fields++) {
        OutboxHeader *to = &message->fields[message->n_fields];

        to->field = strdup(fields[message->n_fields].name);
        to->value = strdup(fields[message->n_fields].value);
        if (!to->field || !to->value) {
            message->n_fields++; /* it is freed with the others */
            return -ENOMEM;
        }
    }
    return 0;
}

static int compose_parts(OutboxMessage *message, const Compose *compose, Failure *f)
{
    _cleanup_(composed_free_p) Composed *composed = NULL;
    _cleanup_buffer_ Buffer piece = {0};
    int r = compose_open(compose, &composed, f), more = 1;

    if (r < 0)
        return r;
    message->n_header = buffer_size(composed_header(composed));
    r = copy_fields(message, composed);
    while (r >= 0 && more > 0) {
        buffer_clear(&piece);
        more = r = composed_read(composed, READ_BYTES, &piece, f);
        if (r >= 0)
            r = keep(message, &piece, f);
    }
    if (r < 0)
        return r;
    /* The envelope block stands in front of the header, as far as that was not given another way.
     */
    message->n_envelope = composed_envelope_size(composed);
    return 0;
}

/* A whole message, as it stands. */
static int copy_raw(OutboxMessage *message, const MessageContent *content, Failure *f)
{
    _cleanup_buffer_ Buffer piece = {0};
    ssize_t n = 1;
    int r = 0;

    message->n_envelope = message->n_header = 0;
    if (!content->streams) {
        r = buffer_append(&piece, content->data, content->n);
        return r < 0 ? r : keep(message, &piece, f);
    }
    while (r >= 0 && n > 0) {
        char *room = buffer_reserve(&piece, READ_BYTES);

        if (!room)
            return -ENOMEM;
        n = read_stream((void *)content, room, READ_BYTES);
        if (n < 0)
            return failure_set(f, -EIO, ERROR_FILE, "cannot read the message (a stream): %s",
                strerrordesc_np((int)-n) ?: "unknown error");
        buffer_commit(&piece, (size_t)n);
        r = keep(message, &piece, f);
        buffer_clear(&piece);
    }
    return r;
}

static bool is_raw(const OutboxMessage *message)
{
    const MessageContent *content = &message->contents[OUTBOX_RAW];

    return content->streams || content->n > 0;
}

static void mark_read(OutboxMessage *message)
{
    for (size_t i = 0; i < CONTENTS; i++)
        message->contents[i].was_read |= message->contents[i].streams;
}

int message_compose(OutboxMessage *message, bool again)
{
    _cleanup_(parts_done) Parts parts = {0};
    Compose compose;
    int r;

    if (message->composed && (!again || message_was_read(message)))
        return 0;
    if (message_was_read(message)) {
        (void)message_fail(message, ERROR_IMPOSSIBLE_STATE,
            "the message has a stream that has been read already: set it again");
        return -EINVAL;
    }
    message_changed(message);
    failure_done(&message->failure);
    message->size = 0;
    mark_read(message);
    if (is_raw(message))
        r = copy_raw(message, &message->contents[OUTBOX_RAW], &message->failure);
    else {
        r = describe(message, &parts, &compose);
        if (r >= 0)
            r = compose_parts(message, &compose, &message->failure);
    }
    if (r == -ENOMEM && message->failure.number == 0)
        (void)message_fail(message, ERROR_MEMORY, "no memory is left");
    if (r < 0)
        failure_show(&message->failure);
    message->composed = r >= 0;
    return r;
}

Input *message_file(OutboxMessage *message)
{
    if (message->scratch_fd >= 0) {
        input_file_init(&message->in_file, message->scratch_fd, message->size);
        return &message->in_file.base;
    }
    input_memory_init(
        &message->in_memory, buffer_data(&message->memory), buffer_size(&message->memory));
    return &message->in_memory.base;
}

void message_keep_envelope(OutboxMessage *message)
{
    message->own_envelope = true;
}

int message_asked(OutboxMessage *message, Envelope *ret)
{
    static const Property lists[] = {PROPERTY_TO, PROPERTY_CC, PROPERTY_BCC};
    const char *sender = text_of(message, PROPERTY_RETURN_PATH) ?: text_of(message, PROPERTY_FROM);
    const char *lane = text_of(message, PROPERTY_LANE);
    Failure *f = &message->failure;
    int r = 0;

    if (lane)
        r = envelope_set_lane(ret, lane, strlen(lane), f);
    if (r < 0 || !is_raw(message) || message->own_envelope)
        return r;
    if (sender)
        r = envelope_set_sender_text(ret, sender, NULL, f);
    for (size_t i = 0; r >= 0 && i < ELEMENTSOF(lists); i++) {
        const char *list = text_of(message, lists[i]);

        if (list)
            r = envelope_add_list(ret, list, strlen(list), NULL, f);
    }
    for (size_t i = 0; r >= 0 && i < message->n_added; i++)
        r = envelope_add_recipient(ret, message->added[i].address,
            message->added[i].options[0] ? message->added[i].options : NULL, f);
    return r;
}

/* ---- What can be read of it ---- */

/* Some bytes of the file as text. NULL: it cannot be read. */
static const char *read_text(OutboxMessage *message, uint64_t from, uint64_t to, Buffer *out)
{
    Input *input = message_file(message);

    buffer_clear(out);
    while (from < to) {
        size_t wanted = (size_t)MIN(to - from, (uint64_t)READ_BYTES);
        char *room = buffer_reserve(out, wanted);
        ssize_t n = room ? input_read_at(input, room, wanted, from) : -ENOMEM;

        if (n <= 0) {
            (void)message_fail(message, n == -ENOMEM ? ERROR_MEMORY : ERROR_FILE,
                "cannot read what the message was made to: %s",
                n == 0 ? "it has become shorter" : strerrordesc_np((int)-n));
            return NULL;
        }
        buffer_commit(out, (size_t)n);
        from += (uint64_t)n;
    }
    if (buffer_append(out, "", 1) < 0)
        return NULL;
    return buffer_data(out);
}

/* A stream is read once: what was not sent yet cannot be looked at. */
static bool can_be_made(OutboxMessage *message)
{
    if (!message->composed)
        for (size_t i = 0; i < CONTENTS; i++)
            if (message->contents[i].streams) {
                (void)message_fail(message, ERROR_IMPOSSIBLE_STATE,
                    "the message has a stream, and is made when it is sent");
                return false;
            }
    return message_compose(message, false) >= 0;
}

const char *message_header_text(OutboxMessage *message)
{
    if (!can_be_made(message))
        return NULL;
    if (buffer_size(&message->header) > 0)
        return buffer_data(&message->header);
    return read_text(
        message, message->n_envelope, message->n_envelope + message->n_header, &message->header);
}

const char *message_body_text(OutboxMessage *message)
{
    if (!can_be_made(message))
        return NULL;
    if (buffer_size(&message->body) > 0)
        return buffer_data(&message->body);
    return read_text(
        message, message->n_envelope + message->n_header, message->size, &message->body);
}

/* ---- Field by field ---- */

size_t outbox_message_header_count(OutboxMessage *message)
{
    return message_is_here(message) && can_be_made(message) ? message->n_fields : 0;
}

const OutboxHeader *outbox_message_header(OutboxMessage *message, size_t i)
{
    return i < outbox_message_header_count(message) ? &message->fields[i] : NULL;
}
