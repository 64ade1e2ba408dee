/* Writing a message: the envelope block, the header, the body. Must never let a Bcc address into
 * the header, nor anything that a value holds into another field. */
#include "message/compose.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/errors.h"
#include "base/text.h"
#include "message/address.h"
#include "message/compose_body.h"
#include "message/compose_field.h"
#include "message/compose_own.h"
#include "message/message.h"
#include "message/readdress.h"
#include "message/stamp.h"

#define DIGEST_MAX 32 /* SHA-256 */
#define LINE_END 2    /* CRLF, in what a line's length is */

/* A header that is being written. */
typedef struct HeaderWriter {
    const Compose *compose;
    ComposeOwn own;
    Envelope *envelope;
    FieldOutput out;
    Failure *failure;
} HeaderWriter;

/* Puts the part's name in front of the failure. */
static int fail_part(const char *what, int r, Failure *f)
{
    return r == -EINVAL ? failure_prefix(f, -EBADMSG, what) : r;
}

/* A relay that offers priorities (RFC 6710) hears of it: they are those of MIXER there. What the
 * return path says itself counts. */
static int add_priority(const Compose *c, Envelope *e, Failure *f)
{
    switch (c->priority) {
    case PRIORITY_URGENT: return envelope_inherit_sender(e, "MT-PRIORITY=4", f);
    case PRIORITY_NON_URGENT: return envelope_inherit_sender(e, "MT-PRIORITY=-4", f);
    default: return 0;
    }
}

/* The sender of the envelope, and whether there is one author. */
static int take_originators(const Compose *c, Envelope *e, Failure *f)
{
    const char *from = c->from ?: "";
    _cleanup_envelope_ Envelope author = {0};
    int n = envelope_add_originators(&author, from, strlen(from), f);

    if (n < 0)
        return fail_part("from", n, f);
    if (n == 0)
        return failure_set(f, -EBADMSG, ERROR_NO_SENDER, "from: there is no sender; give one");
    if (n > 1)
        return failure_set(
            f, -EBADMSG, ERROR_MESSAGE, "from: there is more than one address; give one");
    if (c->return_path)
        n = fail_part("return path", envelope_set_sender_text(e, c->return_path, NULL, f), f);
    else
        n = envelope_set_sender(e, author.sender, NULL, f);
    return n < 0 ? n : add_priority(c, e, f);
}

/* The name under which a field is written; NULL when it is not: the user's own header has it, or is
 * all there is. */
static const char *computed(const HeaderWriter *w, const char *name)
{
    return w->own.replaces || compose_own_has(&w->own, name) ? NULL : name;
}

/* A field of one list of addresses. */
static int put_list(HeaderWriter *w, const char *what, const char *name, const char *list)
{
    const char *const lists[] = {list, NULL};

    return compose_put_addresses(what, computed(w, name), lists, NULL, NULL, &w->out, w->failure);
}

/* The fields that also make the envelope, which is made in any case. */
static int put_originators(HeaderWriter *w)
{
    int r = take_originators(w->compose, w->envelope, w->failure);

    if (r == 0)
        r = put_list(w, "from", "From", w->compose->from);
    return r < 0 ? r : put_list(w, "reply to", "Reply-To", w->compose->reply_to);
}

static int fail_recipients(const HeaderWriter *w)
{
    if (w->envelope->n_recipients == 0)
        return failure_set(w->failure, -EBADMSG, ERROR_NO_RECIPIENT,
            "there is no recipient; give at least one as to, cc or bcc");
    return failure_set(w->failure, -EBADMSG, ERROR_NO_RECIPIENT,
        "there is no recipient in to, and nothing allows that it is empty; give one, or a group "
        "such as \"undisclosed-recipients:;\", or set allow_empty_to");
}

static int put_recipients(HeaderWriter *w)
{
    const Compose *c = w->compose;
    const struct {
        const char *what, *name;
        const char *const *lists;
    } fields[] = {{"to", "To", c->to}, {"cc", "Cc", c->cc}, {"bcc", NULL, c->bcc}};
    size_t before = buffer_size(w->out.buffer), n_to = 0;
    bool has_to = !computed(w, "To");
    int r = 0;

    for (ComposeKind kind = COMPOSE_TO; kind <= COMPOSE_BCC && r == 0; kind++) {
        const char *name = fields[kind].name;

        r = compose_put_addresses(fields[kind].what, name ? computed(w, name) : NULL,
            fields[kind].lists,
            &(People){.items = c->recipients, .n = c->n_recipients, .kind = kind}, w->envelope,
            &w->out, w->failure);
        if (kind == COMPOSE_TO)
            n_to = w->envelope->n_recipients;
        has_to |= kind == COMPOSE_TO && (n_to > 0 || buffer_size(w->out.buffer) > before);
    }
    if (r < 0 || (w->envelope->n_recipients > 0 && (has_to || c->style.allow_empty_to)))
        return r;
    return fail_recipients(w);
}

static int put_date(HeaderWriter *w)
{
    const char *date = w->compose->date;
    char now[RFC5322_DATE_MAX];

    if (!date || strcmp(date, "*") == 0 || text_equal_nocase(date, "now"))
        date = clock_format_rfc5322(w->compose->now, now);
    return *date ? compose_put_date("date", "Date", date, &w->out, w->failure) : 0;
}

/* ---- Message-ID ---- */

/* Bytes of the digest; 0: there is no such algorithm. */
static size_t digest_size(const char *algorithm)
{
    static const struct {
        const char *name;
        size_t size;
    } rows[] = {{"md5", 16}, {"sha1", 20}, {"sha256", 32}};

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        if (text_equal_nocase(algorithm, rows[i].name))
            return rows[i].size;
    return 0;
}

/* What is hashed would be random, and so would the digest be: nothing tells it from random bytes of
 * its size, and they need no library. Nobody can find out from it when or where it was made. */
static int make_id(HeaderWriter *w, Buffer *out)
{
    const char *algorithm = w->compose->style.message_id_algorithm ?: "sha256", *domain;
    char host[HOST_NAME_MAX + 1] = "";
    unsigned char random[DIGEST_MAX];
    size_t n = digest_size(algorithm);
    int r;

    if (n == 0)
        return failure_set(w->failure, -EBADMSG, ERROR_MESSAGE,
            "message id: the algorithm is md5, sha1 or sha256, not \"%s\"", algorithm);
    if (getrandom(random, n, 0) != (ssize_t)n)
        return -EAGAIN;
    domain = stamp_domain(address_domain(w->envelope->sender), host);
    r = buffer_append(out, "<", 1);
    for (size_t i = 0; i < n && r == 0; i++)
        r = buffer_appendf(out, "%02x", random[i]);
    if (r == 0)
        r = buffer_appendf(out, "@%s>", domain);
    return r < 0 ? r : buffer_append(out, "", 1);
}

static int put_message_id(HeaderWriter *w)
{
    const char *id = w->compose->message_id;
    _cleanup_buffer_ Buffer made = {0};
    int r = 0;

    if (!id || strcmp(id, "*") == 0) {
        r = make_id(w, &made);
        id = buffer_data(&made);
    }
    return r < 0 || !*id ? r : compose_put_id("message id", "Message-ID", id, &w->out, w->failure);
}

/* ---- the rest of the header ---- */

static int put_notifications(HeaderWriter *w)
{
    const Compose *c = w->compose;
    int r =
        put_list(w, "delivery notification to", "Return-Receipt-To", c->delivery_notification_to);

    if (r < 0)
        return r;
    return put_list(w, "read receipt to", "Disposition-Notification-To", c->read_receipt_to);
}

static int put_words(HeaderWriter *w)
{
    const struct {
        const char *what, *name;
        ComposeWord word;
        unsigned number;
    } fields[] = {
        {"importance", "Importance", WORD_IMPORTANCE, w->compose->importance},
        {"priority", "Priority", WORD_PRIORITY, w->compose->priority},
        {"sensitivity", "Sensitivity", WORD_SENSITIVITY, w->compose->sensitivity},
    };
    int r = 0;

    for (size_t i = 0; i < ELEMENTSOF(fields) && r == 0; i++)
        if (computed(w, fields[i].name))
            r = compose_put_word(fields[i].what, fields[i].name, fields[i].word, fields[i].number,
                &w->out, w->failure);
    return r;
}

/* `charset`: what a text whose type is the user's own is in, where that has to be told: without it,
 * it is taken for ASCII (RFC 2046, 4.1.2). */
static int put_header(HeaderWriter *w, const char *charset)
{
    int r = put_originators(w);

    if (r == 0)
        r = put_recipients(w);
    if (r == 0 && computed(w, "Subject"))
        r = compose_put_text("subject", "Subject", w->compose->subject, &w->out, w->failure);
    if (r == 0 && computed(w, "Date"))
        r = put_date(w);
    if (r == 0 && computed(w, "Message-ID"))
        r = put_message_id(w);
    if (r == 0)
        r = put_notifications(w);
    if (r == 0)
        r = put_words(w);
    if (r == 0)
        r = compose_own_put(&w->own, charset, &w->out, w->failure);
    if (r == 0 && computed(w, "MIME-Version"))
        r = buffer_append_string(w->out.buffer, "MIME-Version: 1.0\n");
    return r;
}

static int put_envelope(const Envelope *e, Buffer *out)
{
    int r = buffer_appendf(out, "X-Sender: <%s>%s%s\n", e->sender, e->sender_parameters ? " " : "",
        e->sender_parameters ?: "");

    for (size_t i = 0; i < e->n_recipients && r == 0; i++) {
        const EnvelopeRecipient *recipient = &e->recipients[i];

        r = buffer_appendf(out, "X-Receiver: <%s>%s%s\n", recipient->address,
            recipient->parameters ? " " : "", recipient->parameters ?: "");
    }
    return r;
}

/* ---- all of it ---- */

/* The body, of which the user's own fields say what it is. */
static int put_own(HeaderWriter *w, Composed *composed)
{
    _cleanup_own_body_ OwnBody body = {0};
    const char *charset = NULL;
    int r = own_body_open(&body, w->compose, w->failure);

    if (r == 0)
        r = own_body_check(&body, &w->own, w->failure);
    if (r == 0 && w->own.has_type && !w->own.is_raw && !w->own.has_charset)
        charset = own_body_charset(&body);
    if (r == 0)
        r = put_header(w, charset);
    if (r < 0)
        return r;
    return w->own.is_raw ? own_body_put_raw(&body, composed)
                         : own_body_put(&body, w->own.is_text, w->own.is_text && charset, composed);
}

static int put_all(HeaderWriter *w, Composed *composed)
{
    const Compose *c = w->compose;
    int r = compose_own_examine(c->headers, &w->own, w->failure);

    if (r < 0)
        return r;
    if (w->own.is_raw || w->own.has_type) {
        if (c->n_parts > 0 || c->html.origin != COMPOSE_NOTHING)
            return failure_set(w->failure, -EBADMSG, ERROR_MESSAGE,
                "%s cannot be added when headers of your own say what the content is",
                c->n_parts > 0 ? "attachments" : "an HTML text");
        return put_own(w, composed);
    }
    r = put_header(w, NULL);
    return r < 0 ? r : compose_body_put(c, &w->out, composed, w->failure);
}

/* A message that is whole already gets the envelope in front of it. */
static int put_raw(HeaderWriter *w, Composed *composed)
{
    SourceReader reader;
    Buffer *text = composed_text(composed);
    int r = text ? take_originators(w->compose, w->envelope, w->failure) : -ENOMEM;

    w->out.buffer = &(Buffer){0};
    w->own.replaces = true;
    if (r == 0)
        r = put_recipients(w);
    if (r == 0)
        r = source_open(&reader, &w->compose->raw, "the message", 0, w->failure);
    if (r < 0)
        return r;
    r = source_fill(&reader, MESSAGE_HEADER_MAX, w->failure);
    if (r == 0 && buffer_size(&reader.ahead) == 0)
        r = source_fail(&reader, ERROR_MESSAGE, " is empty", w->failure);
    if (r == 0)
        r = message_readdress(
            buffer_data(&reader.ahead), buffer_size(&reader.ahead), w->envelope, NULL, text);
    if (r == 0) {
        buffer_done(&reader.ahead);
        return composed_add_source(composed, &reader, PIECE_AS_IS, false);
    }
    source_close(&reader, false);
    return r;
}

static int compose(HeaderWriter *w, Composed *composed)
{
    int r;

    if (w->compose->raw.origin != COMPOSE_NOTHING)
        return put_raw(w, composed);
    r = put_all(w, composed);
    return r < 0 ? r : put_envelope(&composed->envelope, &composed->block);
}

static int read_style(const ComposeStyle *style, FieldOutput *out, Charset *charset, Failure *f)
{
    unsigned length = style->max_header_length ?: COMPOSE_HEADER_LENGTH;
    int r = style->charset ? charset_open(style->charset, charset, f) : 0;

    if (r < 0)
        return r == -EBADMSG ? failure_prefix(f, r, "charset") : r;
    out->charset = r > 0 ? charset : NULL;
    if (length < COMPOSE_HEADER_LENGTH_MIN || length > COMPOSE_HEADER_LENGTH_MAX)
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "max_header_length: a line of the header is folded at %d to %d characters, not %u",
            COMPOSE_HEADER_LENGTH_MIN, COMPOSE_HEADER_LENGTH_MAX, length);
    out->width = style->unfolded ? FIELD_LINE_MAX : length - LINE_END;
    return 0;
}

int compose_open(const Compose *c, Composed **ret, Failure *f)
{
    _cleanup_(composed_free_p) Composed *composed = calloc(1, sizeof(Composed));
    _cleanup_(charset_close) Charset charset = {0};
    HeaderWriter w = {.compose = c, .failure = f};
    int r;

    if (!composed)
        return -ENOMEM;
    w.envelope = &composed->envelope;
    w.out.buffer = &composed->header;
    r = read_style(&c->style, &w.out, &charset, f);
    if (r >= 0)
        r = compose(&w, composed);
    if (r < 0)
        return r;
    composed->closes = true;
    *ret = TAKE_PTR(composed);
    return 0;
}

int compose_message(const Compose *compose, Buffer *out, Failure *f)
{
    _cleanup_(composed_free_p) Composed *composed = NULL;
    size_t before = buffer_size(out);
    int r = compose_open(compose, &composed, f);

    while (r >= 0 && (r = composed_read(composed, SIZE_MAX, out, f)) > 0)
        continue;
    if (r == -EBADMSG)
        buffer_truncate(out, before);
    return r;
}
