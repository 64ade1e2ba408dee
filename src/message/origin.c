/* Sender and recipients from a header. Must never guess: a field that cannot be read in whole makes
 * the message one that cannot be sent. */
#include "message/origin.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "message/address.h"

/* What part of a header speaks for this sending (RFC 5322, 3.6.6). */
typedef struct Scope {
    HeaderCursor above;  /* where a Return-Path counts: one below was another sending's */
    HeaderCursor fields; /* the topmost block of Resent- fields, or the whole header */
    bool is_resent;
    unsigned kinds; /* in the whole header */
} Scope;

#define RESENT_KINDS (~0u << FIELD_RESENT_OTHER) /* they come last */

/* Puts line and field in front of the failure. */
static int fail_field(const HeaderField *field, int r, Failure *f)
{
    if (r != -EINVAL)
        return r;
    if (!f)
        return -EBADMSG;
    return failure_set(f, -EBADMSG, f->number, "line %zu, %.*s: %s", field->line,
        (int)field->n_name, field->name, failure_text(f));
}

/* X-Sender, Return-Path, and X-Receiver: an address with its parameters. */
static int read_envelope_field(const HeaderField *field, Envelope *e, Failure *f)
{
    _cleanup_free_
    char *address = NULL, *parameters = NULL;
    int r;

    if (field->kind != FIELD_X_RECEIVER && e->sender)
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "line %zu: there is more than one X-Sender field; leave only one", field->line);
    r = envelope_parse_field(field->value, field->n_value, &address, &parameters, f);
    if (r == 0)
        r = field->kind == FIELD_X_RECEIVER ? envelope_add_recipient(e, address, parameters, f)
                                            : envelope_set_sender(e, address, parameters, f);
    return fail_field(field, r, f);
}

/* The parameters of a field that another address takes the place of. Its own address is not judged:
 * where it cannot be read, it is none of those that were asked for. */
static int inherit_parameters(const HeaderField *field, Envelope *e, Failure *f)
{
    _cleanup_free_
    char *address = NULL, *parameters = NULL;
    int r = envelope_parse_field(field->value, field->n_value, &address, &parameters, NULL);

    if (r < 0)
        return r == -EINVAL ? 0 : r;
    r = field->kind == FIELD_X_RECEIVER ? envelope_inherit_recipient(e, address, parameters, f)
                                        : envelope_inherit_sender(e, parameters, f);
    return fail_field(field, r, f);
}

/* Blanks and folds around the name are none of it. */
static int read_lane(const HeaderField *field, Envelope *e, Failure *f)
{
    const char *at = field->value, *end = at + field->n_value;

    if (e->lane)
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "line %zu: there is more than one X-Outbox-Lane field; leave only one", field->line);
    while (at < end && text_is_space(*at))
        at++;
    while (end > at && text_is_space(end[-1]))
        end--;
    return fail_field(field, envelope_set_lane(e, at, (size_t)(end - at), f), f);
}

int origin_read_block(HeaderCursor block, Envelope *e, Failure *f)
{
    const bool wants_lane = !e->lane;
    const unsigned wanted = (e->sender ? 0 : FIELD_BIT(FIELD_X_SENDER)) |
                            (e->n_recipients > 0 ? 0 : FIELD_BIT(FIELD_X_RECEIVER));
    HeaderField field;
    int r;

    while ((r = header_next(&block, &field, f)) > 0) {
        if (wanted & FIELD_BIT(field.kind))
            r = read_envelope_field(&field, e, f);
        else if (field.kind == FIELD_X_SENDER || field.kind == FIELD_X_RECEIVER)
            r = inherit_parameters(&field, e, f);
        else if (wants_lane && header_field_is(&field, "X-Outbox-Lane"))
            r = read_lane(&field, e, f);
        if (r < 0)
            return r;
    }
    return r;
}

static Scope find_scope(const HeaderCursor *header, unsigned kinds)
{
    Scope scope = {.above = *header, .fields = *header, .kinds = kinds};
    HeaderCursor cursor = *header, before = *header;
    unsigned seen = 0;
    HeaderField field;

    if (!(kinds & RESENT_KINDS))
        return scope;
    for (; header_next(&cursor, &field, NULL) > 0; before = cursor) {
        if (field.kind >= FIELD_RESENT_OTHER) {
            /* A second field of a kind begins the block of an earlier resending. */
            if (field.kind > FIELD_RESENT_OTHER && seen & FIELD_BIT(field.kind))
                break;
            seen |= FIELD_BIT(field.kind);
            if (!scope.is_resent)
                scope.fields = before;
            scope.is_resent = true;
        } else if (scope.is_resent) {
            break;
        }
    }
    if (scope.is_resent) {
        scope.above.end = scope.fields.at;
        scope.fields.end = before.at;
    }
    return scope;
}

/* Adds the addresses of one field to the envelope. */
typedef int (*ListTaker)(Envelope *e, const char *list, size_t n, Failure *f);

static int take_sender(Envelope *e, const char *list, size_t n, Failure *f)
{
    int r = envelope_add_originators(e, list, n, f);

    return r < 0 ? r : 0;
}

static int take_recipients(Envelope *e, const char *list, size_t n, Failure *f)
{
    return envelope_add_list(e, list, n, NULL, f);
}

/* Gives every field of this kind to the taker. */
static int take_addresses(
    const Scope *scope, FieldKind kind, ListTaker take, Envelope *e, Failure *f)
{
    HeaderCursor cursor = scope->fields;
    HeaderField field;
    int r;

    if (scope->is_resent)
        kind += FIELD_RESENT_SENDER - FIELD_SENDER;
    if (!(scope->kinds & FIELD_BIT(kind)))
        return 0;
    while ((r = header_next(&cursor, &field, f)) > 0) {
        if (field.kind != kind)
            continue;
        r = take(e, field.value, field.n_value, f);
        if (r < 0)
            return fail_field(&field, r, f);
    }
    return r;
}

static int take_return_path(const Scope *scope, Envelope *e, Failure *f)
{
    HeaderCursor cursor = scope->above;
    HeaderField field;
    int r;

    if (!(scope->kinds & FIELD_BIT(FIELD_RETURN_PATH)))
        return 0;
    while ((r = header_next(&cursor, &field, f)) > 0)
        if (field.kind == FIELD_RETURN_PATH)
            return read_envelope_field(&field, e, f);
    return r;
}

static int complete_sender(const Scope *scope, Envelope *e, Failure *f)
{
    int r = take_return_path(scope, e, f);

    if (r == 0 && !e->sender)
        r = take_addresses(scope, FIELD_SENDER, take_sender, e, f);
    if (r == 0 && !e->sender)
        r = take_addresses(scope, FIELD_FROM, take_sender, e, f);
    if (r < 0 || e->sender)
        return r;
    return failure_set(f, -EBADMSG, ERROR_NO_SENDER,
        "the message has no sender: no X-Sender, %s field names one",
        scope->is_resent ? "Resent-Sender or Resent-From" : "Return-Path, Sender or From");
}

static int complete_recipients(const Scope *scope, Envelope *e, Failure *f)
{
    int r = 0;

    for (FieldKind kind = FIELD_TO; kind <= FIELD_BCC && r == 0; kind++)
        r = take_addresses(scope, kind, take_recipients, e, f);
    if (r < 0 || e->n_recipients > 0)
        return r;
    return failure_set(f, -EBADMSG, ERROR_NO_RECIPIENT,
        "the message has no recipient: no X-Receiver, %s field names one",
        scope->is_resent ? "Resent-To, Resent-Cc or Resent-Bcc" : "To, Cc or Bcc");
}

int origin_complete(const HeaderCursor *header, unsigned kinds, Envelope *e, Failure *f)
{
    int r = 0;
    Scope scope;

    if (e->sender && e->n_recipients > 0)
        return 0;
    scope = find_scope(header, kinds);
    if (!e->sender)
        r = complete_sender(&scope, e, f);
    if (r == 0 && e->n_recipients == 0)
        r = complete_recipients(&scope, e, f);
    return r;
}

int origin_list(const HeaderCursor *header, Envelope *e, size_t *ret_to)
{
    Scope scope = find_scope(header, ~0u);
    int r = take_addresses(&scope, FIELD_TO, take_recipients, e, NULL);

    *ret_to = e->n_recipients;
    if (r != -ENOMEM)
        r = take_addresses(&scope, FIELD_CC, take_recipients, e, NULL);
    return r == -ENOMEM ? r : 0;
}

/* Those of three kinds that hold something. How many; or what the handler returned. */
static int give_fields(HeaderCursor cursor, FieldKind first, OriginField handler, void *user)
{
    HeaderField field;
    int n = 0, r = 0;

    while (r >= 0 && header_next(&cursor, &field, NULL) > 0) {
        if (field.kind < first || field.kind > first + FIELD_BCC - FIELD_TO ||
            strspn(field.value, " \t\r\n") >= field.n_value)
            continue;
        n++;
        r = handler(user, &field);
    }
    return r < 0 ? r : n;
}

int origin_recipient_fields(const HeaderCursor *header, OriginField handler, void *user)
{
    const Scope scope = find_scope(header, ~0u);
    int r = scope.is_resent ? give_fields(scope.fields, FIELD_RESENT_TO, handler, user) : 0;

    if (r == 0)
        r = give_fields(*header, FIELD_TO, handler, user);
    return MIN(r, 0);
}

static int keep_domain(void *user, const AddressItem *item)
{
    const char *at = item->kind == ADDRESS_MAILBOX ? strrchr(item->address, '@') : NULL;
    char *domain = user;

    if (at && !*domain)
        strcpy(domain, at + 1);
    return 0;
}

const char *origin_author_domain(HeaderCursor header, char *ret)
{
    HeaderField field;

    *ret = '\0';
    while (!*ret && header_next(&header, &field, NULL) > 0)
        if (field.kind == FIELD_FROM)
            (void)address_list_parse(
                field.value, field.n_value, ADDRESS_ORIGINATORS, keep_domain, ret, NULL);
    return *ret ? ret : NULL;
}
