/* Postfix's queue files: records of a type, a length in pieces of seven bits, the lowest first, and
 * data. First comes the envelope, behind `M` the message, behind `X` what was found in it, and `E`
 * at the end. A record `p` says where in the file to go on, for what a filter has changed.
 *
 * Read here because whoever replaces Postfix has its queue, but not postcat(1) any more. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "base/text.h"
#include "foreign/format.h"
#include "message/address.h"
#include "message/local_part.h"

/* Of record types, which are letters. */
enum {
    RECORD_SENDER = 'S',
    RECORD_RECIPIENT = 'R',
    RECORD_DONE = 'D',     /* a recipient who has it */
    RECORD_CANCELED = '/', /* one whom a filter has taken away */
    RECORD_REDIRECT = '>', /* who gets it instead of all recipients */
    RECORD_MESSAGE = 'M',
    RECORD_LINE = 'N',
    RECORD_PIECE = 'L', /* of a line that goes on in the next record; in the envelope, a filter */
    RECORD_EXTRACTED = 'X',
    RECORD_POINTER = 'p',
    RECORD_END = 'E',
    RECORD_ATTRIBUTE = 'A', /* "NAME=VALUE"; a record of its own has such a value, too */
    /* Of DSN (RFC 3461), before the recipient, and of the message. */
    RECORD_ORCPT = 'o',
    RECORD_NOTIFY = 'n',
    RECORD_RET = '<',
    RECORD_ENVID = 'i',
};

#define ADDRESS_ROOM (2 * ADDRESS_MAX)
#define RECORD_MAX ((size_t)1024 * 1024)

typedef struct Record {
    int type;
    const char *data; /* borrowed from the reader, until it reads on */
    size_t n;
} Record;

static int broken(const char *what, Failure *f)
{
    return failure_set(f, -EBADMSG, ERROR_MESSAGE,
        "it is no whole queue file of Postfix: %s; one that Postfix was writing has no end yet",
        what);
}

/* The length of a record and what it takes itself: behind the type. */
static int read_length(Reader *reader, size_t *ret_n, size_t *ret_bytes, Failure *f)
{
    size_t n = 0, i = 0;
    unsigned char byte;

    do {
        if (i >= 4 || i + 1 >= buffer_size(&reader->data))
            return broken("a record has no length", f);
        byte = (unsigned char)buffer_at(&reader->data, 1)[i];
        n |= (size_t)(byte & 0x7f) << (7 * i++);
    } while (byte & 0x80);
    if (n > RECORD_MAX)
        return broken("a record is too long", f);
    *ret_n = n;
    *ret_bytes = i;
    return 0;
}

/* All that Postfix writes: another one is a byte that has changed, and what it was would be lost.
 */
static bool is_known(int type)
{
    return strchr("CTcFILSDROW/AK><ionfdMNwXrePpVmE", type);
}

/* Takes the record from the reader. It stays where it is until more is read. */
static int read_one(Reader *reader, Record *ret, Failure *f)
{
    size_t bytes = 0;
    int r = reader_fill(reader, 5);

    if (r < 0)
        return failure_set_errno(f, r, "cannot read it");
    if (buffer_size(&reader->data) < 2)
        return broken("it ends too early", f);
    ret->type = (unsigned char)buffer_data(&reader->data)[0];
    if (!ret->type || !is_known(ret->type))
        return broken("a record is of a type that there is not", f);
    r = read_length(reader, &ret->n, &bytes, f);
    if (r < 0)
        return r;
    r = reader_fill(reader, 1 + bytes + ret->n);
    if (r < 0)
        return failure_set_errno(f, r, "cannot read it");
    if (buffer_size(&reader->data) < 1 + bytes + ret->n)
        return broken("it ends within a record", f);
    ret->data = buffer_at(&reader->data, 1 + bytes);
    buffer_consume(&reader->data, 1 + bytes + ret->n);
    return 0;
}

/* Where a pointer leads. 0, or a negative errno with a Failure. */
static int follow(Reader *reader, const Record *pointer, Failure *f)
{
    char text[24] = "";
    long long at;

    memcpy(text, pointer->data, MIN(pointer->n, sizeof(text) - 1));
    at = strtoll(text, NULL, 10);
    if (at < 0 || (at > 0 && reader_seek(reader, (uint64_t)at) < 0))
        return broken("a pointer leads nowhere", f);
    return 0;
}

/* The next record that is none of `p`. No byte is one of two records: who reads more than there are
 * goes round in a circle. */
static int next_record(ForeignMessage *message, Record *ret, Failure *f)
{
    int r;

    do {
        r = read_one(message->content, ret, f);
        if (r >= 0 && message->left < ret->n + 2)
            r = broken("its pointers lead round in a circle", f);
        if (r < 0)
            return r;
        message->left -= ret->n + 2;
        if (ret->type == RECORD_POINTER)
            r = follow(message->content, ret, f);
    } while (r >= 0 && ret->type == RECORD_POINTER);
    return r;
}

/* Goes on at this place, with all of the file to be read. */
static int start_at(ForeignMessage *message, uint64_t at, Failure *f)
{
    struct stat st;

    if (reader_seek(message->content, at) < 0 || fstat(message->content->fd, &st) < 0)
        return failure_set_errno(f, -errno, "cannot read it");
    message->left = (uint64_t)st.st_size;
    return 0;
}

/* ---- the envelope ---- */

/* What records have said beside sender and recipients. */
typedef struct Terms {
    Buffer ret, envid; /* the message's DSN parameters, of each the last */
    Buffer recipient;  /* of the recipient that comes next */
    char address[ADDRESS_ROOM];
    char redirect[ADDRESS_ROOM]; /* "": to nobody else */
} Terms;

static int append_keyword(Buffer *to, const char *keyword)
{
    return buffer_appendf(to, "%s%s=", buffer_size(to) > 0 ? " " : "", keyword);
}

/* "rfc822;a@b", of which the type is no xtext; Postfix keeps it decoded. */
static int append_orcpt(Buffer *to, const char *text)
{
    size_t type = strcspn(text, ";");
    int r = text[type] ? append_keyword(to, "ORCPT") : 0;

    if (r >= 0 && text[type])
        r = buffer_append(to, text, type + 1);
    return r < 0 || !text[type] ? r : envelope_append_xtext(to, text + type + 1);
}

static int append_notify(Buffer *to, const char *text)
{
    static const struct {
        unsigned bit;
        const char *word;
    } words[] = {{1, "NEVER"}, {2, "SUCCESS"}, {4, "FAILURE"}, {8, "DELAY"}};
    unsigned long mask = strtoul(text, NULL, 10);
    bool any = false;
    int r = mask & 15 ? append_keyword(to, "NOTIFY") : 0;

    for (size_t i = 0; i < ELEMENTSOF(words) && r >= 0; i++)
        if (mask & words[i].bit) {
            r = buffer_appendf(to, "%s%s", any ? "," : "", words[i].word);
            any = true;
        }
    return r;
}

static int append_ret(Buffer *to, const char *text)
{
    int r;

    buffer_clear(to);
    r = append_keyword(to, "RET");

    return r < 0 ? r : buffer_append_string(to, strtoul(text, NULL, 10) == 1 ? "FULL" : "HDRS");
}

static int append_envid(Buffer *to, const char *text)
{
    int r;

    buffer_clear(to);
    r = append_keyword(to, "ENVID");

    return r < 0 ? r : envelope_append_xtext(to, text);
}

/* With a NUL behind them; NULL: there are none. */
static const char *parameters(Buffer *terms)
{
    return buffer_size(terms) > 0 && buffer_append(terms, "", 1) >= 0 ? buffer_data(terms) : NULL;
}

/* The address as SMTP has it: Postfix keeps local parts without the quotes that they need. NULL:
 * it is longer than an address may be. */
static const char *quoted(const char *address, char to[static ADDRESS_ROOM])
{
    const char *at = strrchr(address, '@');
    size_t n = at ? (size_t)(at - address) : strlen(address);
    size_t written = n > 0 ? local_part_format(address, n, to, ADDRESS_MAX) : 0;

    if (n > 0 && (written == 0 || written + strlen(address + n) >= ADDRESS_ROOM))
        return NULL;
    strcpy(to + written, address + n);
    return to;
}

static int set_sender(ForeignMessage *message, const char *text, Terms *terms, Failure *f)
{
    const char *address = quoted(text, terms->address);

    if (message->envelope.sender)
        return 0;
    return address ? envelope_set_sender(&message->envelope, address, NULL, f)
                   : broken("its sender is too long", f);
}

static int add_recipient(ForeignMessage *message, const char *text, Terms *terms, Failure *f)
{
    const char *address = quoted(text, terms->address);
    int r = address ? envelope_add_recipient(
                          &message->envelope, address, parameters(&terms->recipient), f)
                    : broken("a recipient is too long", f);

    buffer_clear(&terms->recipient);
    return r;
}

static int redirect(const char *text, Terms *terms, Failure *f)
{
    return quoted(text, terms->redirect) ? 0 : broken("a recipient is too long", f);
}

/* Whoever it was for. 0 or a negative errno. */
static int redirect_all(ForeignMessage *message, const Terms *terms, Failure *f)
{
    Envelope other = {0};
    int r;

    if (!terms->redirect[0] || message->envelope.n_recipients == 0)
        return 0;
    r = envelope_set_sender(&other, message->envelope.sender, NULL, f);
    if (r >= 0)
        r = envelope_add_recipient(&other, terms->redirect, NULL, f);
    SWAP(other, message->envelope);
    envelope_done(&other);
    return r;
}

/* The type of the record that an attribute stands for, and where its value is; or its own. */
static int attribute_type(const char **text)
{
    static const struct {
        const char *start;
        int type;
    } attributes[] = {{"dsn_orig_rcpt=", RECORD_ORCPT}, {"notify_flags=", RECORD_NOTIFY},
        {"ret_flags=", RECORD_RET}, {"envelope_id=", RECORD_ENVID}};

    for (size_t i = 0; i < ELEMENTSOF(attributes); i++)
        if (text_starts_nocase(*text, attributes[i].start)) {
            *text += strlen(attributes[i].start);
            return attributes[i].type;
        }
    return RECORD_ATTRIBUTE;
}

static int take_record(
    ForeignMessage *message, int type, const char *text, Terms *terms, Failure *f)
{
    switch (type == RECORD_ATTRIBUTE ? attribute_type(&text) : type) {
    case RECORD_SENDER: return set_sender(message, text, terms, f);
    case RECORD_REDIRECT: return redirect(text, terms, f);
    case RECORD_RECIPIENT: return add_recipient(message, text, terms, f);
    case RECORD_DONE:
    case RECORD_CANCELED: buffer_clear(&terms->recipient); return 0;
    case RECORD_ORCPT: return append_orcpt(&terms->recipient, text);
    case RECORD_NOTIFY: return append_notify(&terms->recipient, text);
    case RECORD_RET: return append_ret(&terms->ret, text);
    case RECORD_ENVID: return append_envid(&terms->envid, text);
    default: return 0;
    }
}

/* All records up to the end; where the message begins in `ret_at`. */
static int read_records(ForeignMessage *message, Terms *terms, uint64_t *ret_at, Failure *f)
{
    _cleanup_buffer_ Buffer text = {0};
    bool in_message = false;
    Record record;
    int r;

    for (;;) {
        r = next_record(message, &record, f);
        if (r < 0 || record.type == RECORD_END)
            return r;
        if (record.type == RECORD_MESSAGE)
            *ret_at = reader_at(message->content);
        in_message =
            (in_message || record.type == RECORD_MESSAGE) && record.type != RECORD_EXTRACTED;
        if (in_message)
            continue;
        if (memchr(record.data, '\0', record.n))
            return broken("its envelope holds a NUL", f);
        buffer_clear(&text);
        if (buffer_append(&text, record.data, record.n) < 0 || buffer_append(&text, "", 1) < 0)
            return -ENOMEM;
        r = take_record(message, record.type, buffer_data(&text), terms, f);
        if (r < 0)
            return r;
    }
}

static bool is_message(const char *name _unused_)
{
    return true;
}

/* The master holds a lock while it runs. The queue is named, or a folder some levels below it. */
static int look(const char *path, Failure *f)
{
    _cleanup_buffer_ Buffer pid = {0};

    for (unsigned level = 0; level < 4; level++) {
        _cleanup_close_ int fd = -1;

        buffer_clear(&pid);
        if (buffer_appendf(&pid, "%s%.*s/pid/master.pid", path, (int)(3 * level), "/../../..") <
                0 ||
            buffer_append(&pid, "", 1) < 0)
            return -ENOMEM;
        fd = open(buffer_data(&pid), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK)
            return failure_set(f, -EBUSY, ERROR_FILE,
                "Postfix is running and delivers this queue: stop it first, with postfix stop");
    }
    return 0;
}

static int read_file(const char *path _unused_, ForeignMessage *message, Failure *f)
{
    Terms terms = {0};
    struct stat st;
    uint64_t at = 0;
    int r = start_at(message, 0, f);

    /* Who handed it over was told so once it may be executed, which marks it. */
    if (r >= 0 && (fstat(message->own.fd, &st) < 0 || !(st.st_mode & S_IXUSR)))
        r = broken("its owner may not execute it, which is Postfix's mark of whole ones", f);

    if (r >= 0)
        r = read_records(message, &terms, &at, f);
    if (r >= 0 && (at == 0 || !message->envelope.sender))
        r = broken("it has no message, or no sender", f);
    if (r >= 0)
        r = redirect_all(message, &terms, f);
    if (r >= 0 && buffer_size(&terms.ret) > 0)
        r = envelope_inherit_sender(&message->envelope, parameters(&terms.ret), f);
    if (r >= 0 && buffer_size(&terms.envid) > 0)
        r = envelope_inherit_sender(&message->envelope, parameters(&terms.envid), f);
    buffer_done(&terms.ret);
    buffer_done(&terms.envid);
    buffer_done(&terms.recipient);
    if (r < 0 || message->envelope.n_recipients == 0)
        return r;
    r = start_at(message, at, f);
    return r < 0 ? r : 1;
}

static int content(ForeignMessage *message, Buffer *out, Failure *f)
{
    Record record;
    int r = next_record(message, &record, f);

    if (r < 0 || record.type == RECORD_EXTRACTED || record.type == RECORD_END)
        return r;
    if (record.type != RECORD_LINE && record.type != RECORD_PIECE)
        return 1; /* a gap for what filters add */
    r = buffer_append(out, record.data, record.n);
    if (r >= 0 && record.type == RECORD_LINE)
        r = buffer_append(out, "\n", 1);
    return r < 0 ? r : 1;
}

const FormatOps format_postfix = {
    .name = "postfix",
    .folders = (const char *const[]){"maildrop", "incoming", "active", "deferred", NULL},
    .deep = true,
    .is_message = is_message,
    .look = look,
    .read = read_file,
    .content = content,
};
