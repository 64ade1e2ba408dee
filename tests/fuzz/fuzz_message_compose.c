/* Composes a message of whatever a caller may pass, the parts with a byte 0x01 between them. What
 * is composed has to be a message: lines that everybody takes, fields that were asked for and no
 * others, one body; and the queue has to read the envelope from it. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "message/compose.h"
#include "message/message.h"
#include "target.h"

#define PARTS 8
#define LINE_MAX_BYTES 998

/* Cuts off the text up to the next 0x01, in place. */
static char *next_part(char **rest)
{
    char *part = *rest, *end = strchr(part, 1);

    if (end) {
        *end = '\0';
        *rest = end + 1;
    } else {
        *rest = part + strlen(part);
    }
    return part;
}

/* Whether the field is one that was asked for, or that is always there. */
static bool is_expected(const char *line, const char *header)
{
    static const char *const names[] = {
        "From:", "To:", "Cc:", "Reply-To:", "Subject:", "Date:", "Message-ID:", "MIME-Version:",
        "Content-Type:", "Content-Transfer-Encoding:", "X-Sender:", "X-Receiver:"};

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (text_starts_nocase(line, names[i]))
            return true;
    return strncmp(line, header, strcspn(header, ": \t")) == 0;
}

/* Whether the body is the caller's own. */
static bool is_mime(const char *header)
{
    const char *name = "MIME-Version";
    size_t n = strlen(name);

    return text_starts_nocase(header, "Content-") ||
           (text_starts_nocase(header, name) && header[n + strspn(header + n, " \t")] == ':');
}

static void check_lines(const char *text, const char *header, bool raw)
{
    bool in_header = true;

    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");

        assert(line[n] == '\n');
        assert(in_header || raw || n <= LINE_MAX_BYTES);
        if (in_header && n > 0) {
            assert(n <= LINE_MAX_BYTES || text_starts_nocase(line, "X-"));
            assert(line[0] == ' ' || line[0] == '\t' || is_expected(line, header));
        }
        in_header = in_header && n > 0;
        assert(raw || in_header || text_is_ascii(line, n));
        line += n + 1;
    }
    assert(!in_header);
}

/* The queue takes it, but for a header over the limit. */
static void check_open(const char *text, size_t n)
{
    _cleanup_(message_free_p) Message *message = NULL;
    InputMemory input;
    int r;

    input_memory_init(&input, text, n);
    r = message_open(&input.base, 1, "x", &message, NULL);
    assert(r == 0 || strstr(text, "\n\n") - text >= MESSAGE_HEADER_MAX - 2);
    assert(!message || message_envelope(message)->n_recipients > 0);
}

const FuzzBudget fuzz_budget = {.steps = 400000, .steps_per_byte = 600};

void fuzz_input(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1), *rest = copy, *parts[PARTS];
    _cleanup_buffer_ Buffer out = {0};

    if (!copy)
        abort();
    memcpy(copy, data, size);
    copy[size] = '\0';
    for (size_t i = 0; i < PARTS; i++)
        parts[i] = next_part(&rest);
    if (compose_message(
            &(Compose){
                .from = "Shop <shop@lab.test>",
                .to = (const char *const[]){parts[0], "ann@lab.test", NULL},
                .cc = (const char *const[]){parts[1], NULL},
                .reply_to = parts[2],
                .subject = parts[3],
                .headers = parts[4][0] ? (const char *const[]){parts[4], NULL} : NULL,
                .date = parts[5],
                .message_id = parts[6],
                .body = compose_text(parts[7]),
            },
            &out, NULL) == 0) {
        if (buffer_append(&out, "", 1) < 0)
            abort();
        check_lines(buffer_data(&out), parts[4], is_mime(parts[4]));
        check_open(buffer_data(&out), buffer_size(&out) - 1);
    } else {
        assert(buffer_size(&out) == 0);
    }
    free(copy);
}
