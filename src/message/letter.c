/* Keeping the properties of a message. Must never judge what composing judges: there is one gate.
 */
#include "message/letter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/charset.h"
#include "base/errors.h"
#include "base/text.h"

typedef enum PropertyKind {
    PROPERTY_TEXT,
    PROPERTY_WORD, /* of a ComposeWord */
    PROPERTY_BOOL,
    PROPERTY_LENGTH, /* of a line of the header */
    PROPERTY_DIGEST,
    PROPERTY_CHARSET,
} PropertyKind;

typedef enum PropertyIndex {
    FROM,
    TO,
    CC,
    BCC,
    REPLY_TO,
    RETURN_PATH,
    SUBJECT,
    DATE,
    MESSAGE_ID,
    DELIVERY_NOTIFICATION_TO,
    READ_RECEIPT_TO,
    IMPORTANCE,
    PRIORITY,
    SENSITIVITY,
    HEADERS,
    HEADER_PROPERTIES, /* all before it are of the header */
    TEXT = HEADER_PROPERTIES,
    HTML,
    MESSAGE,
    CHARSET,
    FOLD_HEADERS,
    MAX_HEADER_LENGTH,
    ALLOW_EMPTY_TO,
    MESSAGE_ID_ALGORITHM,
    PROPERTY_MAX,
} PropertyIndex;

/* Names without case, underscores and hyphens. */
static const struct Property {
    const char *name, *alias; /* the component's */
    PropertyKind kind;
    const char *fallback; /* NULL: not set */
} properties[] = {
    [FROM] = {"from", "From"},
    [TO] = {"to", "SendTo"},
    [CC] = {"cc", "Cc"},
    [BCC] = {"bcc", "BCc"},
    [REPLY_TO] = {"reply_to", "ReplyTo"},
    [RETURN_PATH] = {"return_path", "ReturnPath"},
    [SUBJECT] = {"subject", "Subject"},
    [DATE] = {"date", "MessageDate", .fallback = "*"},
    [MESSAGE_ID] = {"message_id", "MessageId", .fallback = "*"},
    [DELIVERY_NOTIFICATION_TO] = {"delivery_notification_to", "DeliveryNotificationTo"},
    [READ_RECEIPT_TO] = {"read_receipt_to", "ReadReceiptTo"},
    [IMPORTANCE] = {"importance", "Importance", PROPERTY_WORD},
    [PRIORITY] = {"priority", "Priority", PROPERTY_WORD},
    [SENSITIVITY] = {"sensitivity", "Sensitivity", PROPERTY_WORD},
    [HEADERS] = {"headers", "OtherHeaders"},
    [TEXT] = {"text", "MessageText"},
    [HTML] = {"html", "html"},
    [MESSAGE] = {"message", "Message"},
    [CHARSET] = {"charset", "Charset", PROPERTY_CHARSET, "UTF-8"},
    [FOLD_HEADERS] = {"fold_headers", "FoldHeaders", PROPERTY_BOOL, "true"},
    [MAX_HEADER_LENGTH] = {"max_header_length", "MaxHeaderLength", PROPERTY_LENGTH, "80"},
    [ALLOW_EMPTY_TO] = {"allow_empty_to", "AllowEmptyTo", PROPERTY_BOOL, "false"},
    [MESSAGE_ID_ALGORITHM] = {"message_id_algorithm", "MessageIdAlgorithm", PROPERTY_DIGEST,
        "sha256"},
};

typedef struct OwnPart {
    ComposePart part;
    char *memory[5]; /* what it points to */
} OwnPart;

struct Letter {
    char *values[PROPERTY_MAX]; /* NULL: the default */
    ComposeRecipient *recipients;
    size_t n_recipients;
    OwnPart *parts;
    size_t n_parts;
    OwnPart stream; /* its source alone */
};

/* ---- its life ---- */

Letter *letter_new(void)
{
    return calloc(1, sizeof(Letter));
}

static void part_done(OwnPart *part)
{
    for (size_t i = 0; i < ELEMENTSOF(part->memory); i++)
        free(part->memory[i]);
    *part = (OwnPart){0};
}

void letter_clear_recipients(Letter *l)
{
    for (size_t i = 0; i < l->n_recipients; i++) {
        free((char *)l->recipients[i].address);
        free((char *)l->recipients[i].name);
        free((char *)l->recipients[i].options);
    }
    free(l->recipients);
    l->recipients = NULL;
    l->n_recipients = 0;
}

void letter_clear_attachments(Letter *l)
{
    for (size_t i = 0; i < l->n_parts; i++)
        part_done(&l->parts[i]);
    free(l->parts);
    l->parts = NULL;
    l->n_parts = 0;
}

static void clear(Letter *l, PropertyIndex end)
{
    for (PropertyIndex i = 0; i < end; i++) {
        free(l->values[i]);
        l->values[i] = NULL;
    }
}

void letter_reset_headers(Letter *l)
{
    clear(l, HEADER_PROPERTIES);
    letter_clear_recipients(l);
}

void letter_reset(Letter *l)
{
    clear(l, PROPERTY_MAX);
    letter_clear_recipients(l);
    letter_clear_attachments(l);
    part_done(&l->stream);
}

void letter_free(Letter *l)
{
    if (!l)
        return;
    letter_reset(l);
    free(l);
}

/* ---- names ---- */

static bool is_separator(char c)
{
    return c == '_' || c == '-';
}

static bool is_called(const char *name, const char *text)
{
    for (;; name++, text++) {
        while (is_separator(*name))
            name++;
        while (is_separator(*text))
            text++;
        if (text_fold(*name) != text_fold(*text))
            return false;
        if (*name == '\0')
            return true;
    }
}

/* PROPERTY_MAX: there is none of that name. */
static PropertyIndex find(const char *name)
{
    PropertyIndex i = 0;

    while (i < PROPERTY_MAX && !is_called(properties[i].name, name) &&
           !is_called(properties[i].alias, name))
        i++;
    return i;
}

static int fail_name(const char *name, Failure *f)
{
    const char *near = NULL;
    size_t distance = 4;

    for (PropertyIndex i = 0; i < PROPERTY_MAX; i++) {
        const char *const names[] = {properties[i].name, properties[i].alias};

        for (size_t j = 0; j < ELEMENTSOF(names); j++) {
            size_t d = text_distance(name, names[j]);

            if (d < distance)
                near = names[j], distance = d;
        }
    }
    return failure_set(f, -EINVAL, ERROR_USAGE, "a message has no property \"%s\"%s%s%s", name,
        near ? "; did you mean \"" : "", near ?: "", near ? "\"?" : "");
}

/* ---- values ---- */

static int fail_value(PropertyIndex i, const char *value, const char *words, Failure *f)
{
    return failure_set(f, -EINVAL, ERROR_USAGE, "%s: \"%s\" %s", properties[i].name, value, words);
}

static int read_word(PropertyIndex i, const char *value, const char **ret, Failure *f)
{
    ComposeWord which = (ComposeWord)(i - IMPORTANCE);
    int number = compose_word_find(which, value);

    if (number < 0)
        return failure_set(f, -EINVAL, ERROR_USAGE, "%s: \"%s\" is none of %s, %s, %s and 0 to 3",
            properties[i].name, value, compose_word_name(which, 1), compose_word_name(which, 2),
            compose_word_name(which, 3));
    *ret = compose_word_name(which, (unsigned)number);
    return 0;
}

static int read_bool(PropertyIndex i, const char *value, const char **ret, Failure *f)
{
    static const char *const yes[] = {"true", "yes", "1"}, *const no[] = {"false", "no", "0"};

    for (size_t j = 0; j < ELEMENTSOF(yes); j++)
        if (text_equal_nocase(value, yes[j]) || text_equal_nocase(value, no[j])) {
            *ret = text_equal_nocase(value, yes[j]) ? "true" : "false";
            return 0;
        }
    return fail_value(i, value, "is neither true nor false", f);
}

static int check_length(PropertyIndex i, const char *value, Failure *f)
{
    unsigned long length = strtoul(value, NULL, 10);

    if (*value && strlen(value) < 4 && value[strspn(value, "0123456789")] == '\0' &&
        length >= COMPOSE_HEADER_LENGTH_MIN && length <= COMPOSE_HEADER_LENGTH_MAX)
        return 0;
    return fail_value(i, value, "is no number from 60 to 998", f);
}

static int check_charset(PropertyIndex i, const char *value, Failure *f)
{
    Charset charset;
    int r = charset_open(value, &charset, f);

    charset_close(&charset);
    return r == -EBADMSG ? failure_prefix(f, -EINVAL, properties[i].name) : MIN(r, 0);
}

/* The value as it is kept, in `*ret`. */
static int read_value(PropertyIndex i, const char *value, const char **ret, Failure *f)
{
    *ret = value;
    switch (properties[i].kind) {
    case PROPERTY_WORD: return read_word(i, value, ret, f);
    case PROPERTY_BOOL: return read_bool(i, value, ret, f);
    case PROPERTY_LENGTH: return check_length(i, value, f);
    case PROPERTY_CHARSET: return check_charset(i, value, f);
    case PROPERTY_DIGEST:
        return text_equal_nocase(value, "md5") || text_equal_nocase(value, "sha1") ||
                       text_equal_nocase(value, "sha256")
                   ? 0
                   : fail_value(i, value, "is none of sha256, sha1 and md5", f);
    default: return 0;
    }
}

static void forget(Letter *l, PropertyIndex i)
{
    free(l->values[i]);
    l->values[i] = NULL;
}

int letter_set(Letter *l, const char *name, const char *value, Failure *f)
{
    PropertyIndex i = find(name);
    const char *kept = NULL;
    char *copy = NULL;
    int r;

    if (i == PROPERTY_MAX)
        return fail_name(name, f);
    r = value ? read_value(i, value, &kept, f) : 0;
    if (r < 0)
        return r;
    if (value && !(copy = strdup(kept)))
        return -ENOMEM;
    free(l->values[i]);
    l->values[i] = copy;
    if (value && (i == TEXT || i == MESSAGE)) {
        forget(l, i == TEXT ? MESSAGE : TEXT);
        part_done(&l->stream);
    }
    return 0;
}

const char *letter_get(const Letter *l, const char *name)
{
    PropertyIndex i = find(name);

    return i == PROPERTY_MAX ? NULL : l->values[i] ?: properties[i].fallback ?: "";
}

int letter_set_number(Letter *l, ComposeWord which, unsigned number, Failure *f)
{
    const char *word = compose_word_name(which, number);

    if (word)
        return letter_set(l, properties[IMPORTANCE + which].name, word, f);
    return failure_set(f, -EINVAL, ERROR_USAGE, "%s: %u is no number from 0 to 3",
        properties[IMPORTANCE + which].name, number);
}

unsigned letter_get_number(const Letter *l, ComposeWord which)
{
    return (unsigned)compose_word_find(which, l->values[IMPORTANCE + which] ?: "");
}

/* ---- recipients and files ---- */

/* NULL stays NULL. */
static int copy_text(const char *text, char **ret)
{
    *ret = text ? strdup(text) : NULL;
    return text && !*ret ? -ENOMEM : 0;
}

int letter_add_recipient(
    Letter *l, ComposeKind kind, const char *name, const char *address, const char *options)
{
    ComposeRecipient *recipients =
        reallocarray(l->recipients, l->n_recipients + 1, sizeof(ComposeRecipient));
    char *copies[3];
    int r;

    if (!recipients)
        return -ENOMEM;
    l->recipients = recipients;
    r = copy_text(name, &copies[0]) | copy_text(address, &copies[1]) |
        copy_text(options, &copies[2]);
    recipients[l->n_recipients++] = (ComposeRecipient){
        .kind = kind, .name = copies[0], .address = copies[1], .options = copies[2]};
    if (r < 0) {
        for (size_t i = 0; i < ELEMENTSOF(copies); i++)
            free(copies[i]);
        l->n_recipients--;
        return -ENOMEM;
    }
    return 0;
}

const ComposeRecipient *letter_recipients(const Letter *l, size_t *ret_n)
{
    *ret_n = l->n_recipients;
    return l->recipients;
}

static int copy_part(const ComposePart *part, OwnPart *ret)
{
    const ComposeSource *source = &part->source;
    int r;

    *ret = (OwnPart){.part = *part};
    r = copy_text(part->name, &ret->memory[0]) | copy_text(part->type, &ret->memory[1]) |
        copy_text(part->content_id, &ret->memory[2]) | copy_text(source->path, &ret->memory[3]);
    if (r == 0 && source->origin == COMPOSE_MEMORY) {
        ret->memory[4] = malloc(source->n + 1);
        if (ret->memory[4] && source->n > 0)
            memcpy(ret->memory[4], source->data, source->n);
        r = ret->memory[4] ? 0 : -ENOMEM;
    }
    ret->part.name = ret->memory[0];
    ret->part.type = ret->memory[1];
    ret->part.content_id = ret->memory[2];
    ret->part.source.path = ret->memory[3];
    ret->part.source.data = ret->memory[4];
    if (r < 0)
        part_done(ret);
    return r < 0 ? -ENOMEM : 0;
}

int letter_attach(Letter *l, const ComposePart *part)
{
    OwnPart *parts = reallocarray(l->parts, l->n_parts + 1, sizeof(OwnPart));
    int r;

    if (!parts)
        return -ENOMEM;
    l->parts = parts;
    r = copy_part(part, &parts[l->n_parts]);
    l->n_parts += r == 0;
    return r;
}

int letter_set_stream(Letter *l, const ComposeSource *source)
{
    OwnPart copy = {0};
    int r = 0;

    if (source->origin != COMPOSE_NOTHING)
        r = copy_part(&(ComposePart){.source = *source}, &copy);
    if (r < 0)
        return r;
    part_done(&l->stream);
    l->stream = copy;
    if (source->origin != COMPOSE_NOTHING) {
        forget(l, TEXT);
        forget(l, MESSAGE);
    }
    return 0;
}

/* ---- composing ---- */

static const char *value(const Letter *l, PropertyIndex i)
{
    return l->values[i] ?: properties[i].fallback;
}

static unsigned number(const Letter *l, ComposeWord which)
{
    return letter_get_number(l, which);
}

static ComposeStyle style_of(const Letter *l)
{
    return (ComposeStyle){
        .charset = value(l, CHARSET),
        .unfolded = strcmp(value(l, FOLD_HEADERS), "false") == 0,
        .max_header_length = (unsigned)strtoul(value(l, MAX_HEADER_LENGTH), NULL, 10),
        .allow_empty_to = strcmp(value(l, ALLOW_EMPTY_TO), "true") == 0,
        .message_id_algorithm = value(l, MESSAGE_ID_ALGORITHM),
    };
}

/* What is empty is not given, as with the component; nobody, as a return path, is "<>". */
static const char *given(const Letter *l, PropertyIndex i)
{
    const char *text = value(l, i);

    return text && *text ? text : NULL;
}

int letter_open(const Letter *l, usec_t now, Composed **ret, Failure *f)
{
    const char *const to[] = {value(l, TO), NULL}, *const cc[] = {value(l, CC), NULL};
    const char *const bcc[] = {value(l, BCC), NULL};
    _cleanup_free_
    char *lines = NULL;
    _cleanup_free_
    const char **headers = NULL;
    _cleanup_free_
    ComposePart *parts = calloc(l->n_parts + 1, sizeof(ComposePart));
    int r = parts ? copy_text(given(l, HEADERS), &lines) : -ENOMEM;

    if (r == 0 && lines)
        r = compose_split_headers(lines, &headers);
    if (r < 0)
        return r;
    for (size_t i = 0; i < l->n_parts; i++)
        parts[i] = l->parts[i].part;
    return compose_open(
        &(Compose){.from = value(l, FROM),
            .to = to,
            .cc = cc,
            .bcc = bcc,
            .recipients = l->recipients,
            .n_recipients = l->n_recipients,
            .reply_to = value(l, REPLY_TO),
            .return_path = given(l, RETURN_PATH),
            .subject = given(l, SUBJECT),
            .date = value(l, DATE),
            .message_id = value(l, MESSAGE_ID),
            .delivery_notification_to = value(l, DELIVERY_NOTIFICATION_TO),
            .read_receipt_to = value(l, READ_RECEIPT_TO),
            .importance = (ComposeImportance)number(l, WORD_IMPORTANCE),
            .priority = (ComposePriority)number(l, WORD_PRIORITY),
            .sensitivity = (ComposeSensitivity)number(l, WORD_SENSITIVITY),
            .headers = headers,
            .body = l->stream.part.source.origin != COMPOSE_NOTHING ? l->stream.part.source
                                                                    : compose_text(l->values[TEXT]),
            .html = compose_text(given(l, HTML)),
            .raw = compose_text(given(l, MESSAGE)),
            .parts = parts,
            .n_parts = l->n_parts,
            .now = now,
            .style = style_of(l)},
        ret, f);
}
