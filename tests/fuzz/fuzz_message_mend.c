/* What a program hands to sendmail. Its text must stay as it is, its header be one that can be read
 * but for control characters, and once mended it must need no more. */
#include <stdint.h>
#include <string.h>

#include "message/address.h"
#include "message/header.h"
#include "message/mend.h"
#include "message/qualify.h"
#include "target.h"

static int note(void *user, const AddressItem *item)
{
    *(bool *)user = *(bool *)user || item->kind == ADDRESS_MAILBOX;
    return 0;
}

/* Every line is a field, but where one has what no line may have; and a From names somebody. */
static void check_header(const Buffer *text, bool people)
{
    HeaderField field;
    HeaderParts parts;
    int r;

    if (!header_locate(buffer_data(text), buffer_size(text), true, &parts))
        abort();
    while ((r = header_next(&parts.header, &field, NULL)) > 0) {
        bool found = false;

        if (people && field.kind == FIELD_FROM &&
            (address_list_parse(
                 field.value, field.n_value, ADDRESS_RECIPIENTS, note, &found, NULL) < 0 ||
                !found))
            abort();
    }
    if (r < 0 && !memchr(parts.header.at, '\r', (size_t)(parts.header.end - parts.header.at)) &&
        !memchr(parts.header.at, '\0', (size_t)(parts.header.end - parts.header.at)))
        abort();
}

/* What stands behind the empty line ends both. */
static void check_text(const char *data, size_t size, const Buffer *mended)
{
    HeaderParts parts;
    size_t n;

    if (!header_locate(data, size, true, &parts))
        return;
    n = (size_t)(data + size - parts.header.end);
    if (n > buffer_size(mended) ||
        memcmp(buffer_data(mended) + buffer_size(mended) - n, parts.header.end, n) != 0)
        abort();
}

static int ignore(void *user _unused_, const RecipientField *field)
{
    return field->line == 0 || field->n_name == 0 ? -1 : 0;
}

static bool same(const Buffer *a, const Buffer *b)
{
    return buffer_size(a) == buffer_size(b) &&
           memcmp(buffer_data(a), buffer_data(b), buffer_size(a)) == 0;
}

const FuzzBudget fuzz_budget = {.steps = 200000, .steps_per_byte = 800};

void fuzz_input(const uint8_t *data, size_t size)
{
    const MendPeople who = {.author = "author@here", .sender = "caller@here"};
    _cleanup_buffer_ Buffer mended = {0}, whole = {0}, people = {0}, again = {0};

    if (size == 0)
        return;
    if (message_mend((const char *)data, size, &mended) < 0 ||
        message_recipient_fields(buffer_data(&mended), buffer_size(&mended), ignore, NULL) < 0 ||
        message_qualify(buffer_data(&mended), buffer_size(&mended), "here", &whole) < 0 ||
        message_mend_addresses(buffer_data(&whole), buffer_size(&whole), &who, &people) < 0 ||
        message_mend_addresses(buffer_data(&people), buffer_size(&people), &who, &again) < 0)
        abort();
    check_header(&mended, false);
    check_header(&people, true);
    check_text((const char *)data, size, &mended);
    if (!same(&people, &again))
        abort();
}
