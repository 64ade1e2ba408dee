/* A message's properties. */
#include "lib/message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/lane.h"
#include "base/text.h"
#include "lib/message_file.h"
#include "settings/table.h"

typedef enum PropertyKind {
    KIND_TEXT,
    KIND_BOOL,
    KIND_LENGTH,
    KIND_ALGORITHM,
    KIND_IMPORTANCE, /* in the order of ComposeWord */
    KIND_PRIORITY,
    KIND_SENSITIVITY,
    KIND_LANE,
} PropertyKind;

static const struct {
    const char *names; /* with blanks between them */
    const char *fallback;
    PropertyKind kind;
} rows[PROPERTY_MAX] = {
    [PROPERTY_FROM] = {"From", "", KIND_TEXT},
    [PROPERTY_TO] = {"SendTo To", "", KIND_TEXT},
    [PROPERTY_CC] = {"Cc", "", KIND_TEXT},
    [PROPERTY_BCC] = {"BCc", "", KIND_TEXT},
    [PROPERTY_REPLY_TO] = {"ReplyTo", "", KIND_TEXT},
    [PROPERTY_RETURN_PATH] = {"ReturnPath", "", KIND_TEXT},
    [PROPERTY_SUBJECT] = {"Subject", "", KIND_TEXT},
    [PROPERTY_DATE] = {"MessageDate Date", "*", KIND_TEXT},
    [PROPERTY_MESSAGE_ID] = {"MessageId", "*", KIND_TEXT},
    [PROPERTY_DELIVERY_NOTIFICATION_TO] = {"DeliveryNotificationTo", "", KIND_TEXT},
    [PROPERTY_READ_RECEIPT_TO] = {"ReadReceiptTo", "", KIND_TEXT},
    [PROPERTY_IMPORTANCE] = {"Importance", "", KIND_IMPORTANCE},
    [PROPERTY_PRIORITY] = {"Priority", "", KIND_PRIORITY},
    [PROPERTY_SENSITIVITY] = {"Sensitivity", "", KIND_SENSITIVITY},
    [PROPERTY_OTHER_HEADERS] = {"OtherHeaders", "", KIND_TEXT},
    [PROPERTY_CHARSET] = {"Charset", "UTF-8", KIND_TEXT},
    [PROPERTY_MESSAGE_ID_ALGORITHM] = {"MessageIdAlgorithm", "SHA256", KIND_ALGORITHM},
    [PROPERTY_ALLOW_EMPTY_TO] = {"AllowEmptyTo", "False", KIND_BOOL},
    [PROPERTY_FOLD_HEADERS] = {"FoldHeaders", "True", KIND_BOOL},
    [PROPERTY_MAX_HEADER_LENGTH] = {"MaxHeaderLength", "80", KIND_LENGTH},
    [PROPERTY_CLOSE_STREAM] = {"CloseStreamAfterTransfer", "True", KIND_BOOL},
    [PROPERTY_LANE] = {"Lane", "", KIND_LANE},
};

static const char *const content_names[CONTENTS] = {
    [OUTBOX_TEXT] = "MessageText", [OUTBOX_HTML] = "MessageHtml", [OUTBOX_RAW] = "Message"};

/* ---- Life ---- */

OutboxMessage *outbox_message_new(void)
{
    OutboxMessage *message = calloc(1, sizeof(OutboxMessage));

    if (message) {
        message->process = getpid();
        message->scratch_fd = -1;
    }
    return message;
}

/* The program's part may call anything: it finds the message in use, and does not free it. */
static void content_close(OutboxMessage *message, MessageContent *content)
{
    const char *closes = message->properties[PROPERTY_CLOSE_STREAM];

    bool due = content->streams && !content->closed && content->stream.close &&
               (!closes || strcmp(closes, "True") == 0);
    bool freed = message->freed;

    content->closed = true;
    if (!due)
        return;
    message->in_use++;
    content->stream.close(content->stream.user);
    if (--message->in_use == 0)
        message->freed = freed;
}

static void content_clear(OutboxMessage *message, MessageContent *content)
{
    content_close(message, content);
    free(content->data);
    *content = (MessageContent){0};
}

static void part_done(MessagePart *part)
{
    free(part->path);
    free(part->name);
    free(part->type);
    free(part->content_id);
    free(part->data);
}

static void clear(OutboxMessage *message)
{
    for (size_t i = 0; i < CONTENTS; i++)
        content_clear(message, &message->contents[i]);
    for (size_t i = 0; i < PROPERTY_MAX; i++)
        free(message->properties[i]);
    memset(message->properties, 0, sizeof(message->properties));
    for (size_t i = 0; i < message->n_parts; i++)
        part_done(&message->parts[i]);
    free(message->parts);
    message->parts = NULL;
    message->n_parts = 0;
    message_clear_recipients(message);
    failure_done(&message->failure);
}

void outbox_message_reset(OutboxMessage *message)
{
    if (message_is_here(message) && message->in_use == 0)
        clear(message);
}

void outbox_message_free(OutboxMessage *message)
{
    if (!message || message->is_clients)
        return;
    message->freed = message->in_use > 0;
    if (message->freed)
        return;
    /* A stream that the parent reads is the parent's to close, who would find it elsewhere. */
    for (size_t i = 0; i < CONTENTS; i++)
        message->contents[i].closed |= !message_is_here(message);
    clear(message);
    free(message);
}

void message_release(OutboxMessage *message)
{
    message->in_use--;
    if (message->freed)
        outbox_message_free(message);
}

const char *outbox_message_error_text(const OutboxMessage *message)
{
    if (!message)
        return "there is no message: memory was short when it was made";
    return message->failure.number == 0 ? "" : failure_text(&message->failure);
}

/* ---- Names ---- */

/* Whether `name` is one of the names. */
static bool is_among(const char *names, const char *name)
{
    char one[64];

    for (size_t n; *names; names += n + strspn(names + n, " ")) {
        n = strcspn(names, " ");
        snprintf(one, sizeof(one), "%.*s", (int)n, names);
        if (setting_name_equal(one, name))
            return true;
    }
    return false;
}

/* PROPERTY_MAX: none. */
static Property find_property(const char *name)
{
    Property p = 0;

    while (p < PROPERTY_MAX && !is_among(rows[p].names, name))
        p++;
    return p;
}

/* -1: none. */
static int find_content(const char *name)
{
    for (int i = 0; i < CONTENTS; i++)
        if (setting_name_equal(content_names[i], name))
            return i;
    return -1;
}

static bool is_computed(const char *name)
{
    return setting_name_equal(name, "MessageHeadersString") ||
           setting_name_equal(name, "TransferText");
}

bool message_has(const char *name)
{
    return find_property(name) != PROPERTY_MAX || find_content(name) >= 0 || is_computed(name);
}

/* ---- Setting ---- */

static const char *const truths[] = {"True", "1", "Yes", NULL};
static const char *const lies[] = {"False", "0", "No", NULL};

static bool is_one_of(const char *const *words, const char *text)
{
    for (; *words; words++)
        if (text_equal_nocase(*words, text))
            return true;
    return false;
}

/* What the value becomes; NULL: it cannot be had. May point into `ret_number`. */
static const char *normalize(PropertyKind kind, const char *value, char ret_number[static 16])
{
    unsigned long length;
    char *end;

    switch (kind) {
    case KIND_BOOL:
        return is_one_of(truths, value) ? "True" : is_one_of(lies, value) ? "False" : NULL;
    case KIND_LENGTH:
        length = strtoul(value, &end, 10);
        if (!value[0] || *end || length < COMPOSE_HEADER_LENGTH_MIN ||
            length > COMPOSE_HEADER_LENGTH_MAX)
            return NULL;
        snprintf(ret_number, 16, "%lu", length);
        return ret_number;
    case KIND_ALGORITHM:
        return is_one_of((const char *const[]){"MD5", "SHA1", "SHA256", NULL}, value) ? value
                                                                                      : NULL;
    case KIND_TEXT: return value;
    case KIND_LANE: return lane_check(value, strlen(value), NULL) == 0 ? value : NULL;
    default: {
        ComposeWord word = (ComposeWord)(kind - KIND_IMPORTANCE);
        int number = compose_word_find(word, value);

        return number < 0 ? NULL : compose_word_name(word, (unsigned)number);
    }
    }
}

_Static_assert(
    COMPOSE_HEADER_LENGTH_MIN == 60 && COMPOSE_HEADER_LENGTH_MAX == 998, "as told below");

static int refuse_value(OutboxMessage *message, Property p, const char *value)
{
    static const char *const wanted[] = {
        [KIND_BOOL] = "True or False",
        [KIND_LENGTH] = "a number from 60 to 998",
        [KIND_ALGORITHM] = "MD5, SHA1 or SHA256",
        [KIND_IMPORTANCE] = "high, normal or low",
        [KIND_PRIORITY] = "normal, urgent or non-urgent",
        [KIND_SENSITIVITY] = "personal, private or company-confidential",
        [KIND_LANE] = "a word of up to 32 letters, digits, hyphens, underscores and dots",
    };

    return message_fail(message, ERROR_CONFIGURATION, "%.*s: '%s' is not %s",
        (int)strcspn(rows[p].names, " "), rows[p].names, value, wanted[rows[p].kind]);
}

static int set_property(OutboxMessage *message, Property p, const char *value)
{
    char number[16], *copy;
    const char *kept = *value || p == PROPERTY_DATE || p == PROPERTY_MESSAGE_ID ||
                               (rows[p].kind == KIND_TEXT && p != PROPERTY_CHARSET)
                           ? normalize(rows[p].kind, value, number)
                           : rows[p].fallback;

    if (!kept)
        return refuse_value(message, p, value);
    copy = strdup(kept);
    if (!copy)
        return message_fail(message, ERROR_MEMORY, "no memory is left");
    free(message->properties[p]);
    message->properties[p] = copy;
    message_changed(message);
    return 0;
}

int message_take_style(OutboxMessage *message, const MessageConfig *style)
{
    char length[16];
    const struct {
        Property property;
        const char *value;
    } values[] = {
        {PROPERTY_CHARSET, style->charset},
        {PROPERTY_FOLD_HEADERS, style->fold_headers ? "True" : "False"},
        {PROPERTY_MAX_HEADER_LENGTH, length},
        {PROPERTY_ALLOW_EMPTY_TO, style->allow_empty_to ? "True" : "False"},
        {PROPERTY_MESSAGE_ID_ALGORITHM, style->message_id_algorithm},
    };
    int r = 0;

    snprintf(length, sizeof(length), "%u", style->max_header_length);
    for (size_t i = 0; r == 0 && i < ELEMENTSOF(values); i++)
        if (!message->properties[values[i].property] && values[i].value)
            r = set_property(message, values[i].property, values[i].value);
    return r;
}

int outbox_message_set_bytes(OutboxMessage *message, int what, const void *data, size_t n)
{
    int r = message_check(message);
    MessageContent *content;
    char *copy;

    if (r != 0)
        return r;
    if (what < 0 || what >= CONTENTS || (!data && n > 0))
        return message_fail(message, ERROR_USAGE, "there are no such bytes to be set");
    copy = n < SIZE_MAX ? malloc(n + 1) : NULL;
    if (!copy)
        return message_fail(message, ERROR_MEMORY, "no memory is left");
    if (n > 0)
        memcpy(copy, data, n);
    copy[n] = '\0';
    content = &message->contents[what];
    content_clear(message, content);
    content->data = copy;
    content->n = n;
    message_changed(message);
    return 0;
}

int outbox_message_set_stream(OutboxMessage *message, int what, const OutboxStream *stream)
{
    int r = message_check(message);

    if (r != 0)
        return r;
    if (what < 0 || what >= CONTENTS || !stream || !stream->read)
        return message_fail(message, ERROR_USAGE, "the stream cannot be read");
    content_clear(message, &message->contents[what]);
    message->contents[what].stream = *stream;
    message->contents[what].streams = true;
    message_changed(message);
    return 0;
}

void message_end_streams(OutboxMessage *message)
{
    for (size_t i = 0; i < CONTENTS; i++)
        if (message->contents[i].was_read)
            content_close(message, &message->contents[i]);
}

int outbox_message_set(OutboxMessage *message, const char *name, const char *value)
{
    int r = message_check(message), content;
    Property p;

    if (r != 0)
        return r;
    if (!name)
        return message_fail(message, ERROR_USAGE, "no property is named");
    if (!value)
        value = "";
    p = find_property(name);
    if (p != PROPERTY_MAX)
        return set_property(message, p, value);
    content = find_content(name);
    if (content >= 0)
        return outbox_message_set_bytes(message, content, value, strlen(value));
    return message_fail(message, ERROR_USAGE, "%s %s", name,
        is_computed(name) ? "can be read, and not set" : "is no property of a message");
}

/* ---- Reading ---- */

const char *outbox_message_get(OutboxMessage *message, const char *name)
{
    Property p;
    int content;

    if (!message_is_here(message) || !name)
        return NULL;
    p = find_property(name);
    if (p != PROPERTY_MAX)
        return message->properties[p] ?: rows[p].fallback;
    content = find_content(name);
    if (content >= 0)
        return message->contents[content].data ?: "";
    if (!is_computed(name)) {
        (void)message_fail(message, ERROR_USAGE, "there is no property '%s' of a message", name);
        return NULL;
    }
    return setting_name_equal(name, "TransferText") ? message_body_text(message)
                                                    : message_header_text(message);
}

/* ---- Parts ---- */

static int copy_text(const char *text, char **ret)
{
    *ret = text ? strdup(text) : NULL;
    return text && !*ret ? -ENOMEM : 0;
}

static int copy_part(const OutboxPart *part, MessagePart *ret)
{
    if (part->data) {
        ret->data = malloc(part->n > 0 ? part->n : 1);
        if (!ret->data)
            return -ENOMEM;
        memcpy(ret->data, part->data, part->n);
        ret->n = part->n;
    }
    return copy_text(part->path, &ret->path)
               ?: copy_text(part->name, &ret->name)
               ?: copy_text(part->type, &ret->type) ?: copy_text(part->content_id, &ret->content_id);
}

int outbox_message_attach(OutboxMessage *message, const OutboxPart *part)
{
    int r = message_check(message);
    OutboxPart given = {0};
    MessagePart *list;

    if (r != 0)
        return r;
    if (!part || part->size == 0)
        return message_fail(message, ERROR_USAGE, "there is no part, or its size is not set");
    memcpy(&given, part, MIN(part->size, sizeof(given)));
    if (!given.path == !given.data)
        return message_fail(
            message, ERROR_USAGE, "a part is a file's path or bytes: one of the two is needed");
    list = reallocarray(message->parts, message->n_parts + 1, sizeof(MessagePart));
    if (!list)
        return message_fail(message, ERROR_MEMORY, "no memory is left");
    message->parts = list;
    list[message->n_parts] = (MessagePart){0};
    if (copy_part(&given, &list[message->n_parts]) < 0) {
        part_done(&list[message->n_parts]);
        return message_fail(message, ERROR_MEMORY, "no memory is left");
    }
    message->n_parts++;
    message_changed(message);
    return 0;
}
