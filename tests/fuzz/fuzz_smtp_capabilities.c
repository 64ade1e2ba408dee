/* smtp/capabilities: any reply text leaves terminated, printable strings, and a keyword that is
 * offered to the letter of RFC 5321 is known; nothing else is, but where a line is no such letter.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "smtp/capabilities.h"
#include "target.h"

static void check_printable(const char *text, size_t size)
{
    size_t n = strnlen(text, size);

    if (n == size)
        abort();
    for (size_t i = 0; i < n; i++)
        if (text[i] < ' ' || text[i] > '~')
            abort();
}

/* ehlo-line = ehlo-keyword *( SP ehlo-param ): the bytes of its keyword; 0: it is none. */
static size_t strict_keyword(const char *line, size_t n)
{
    size_t keyword = 0;

    while (keyword < n &&
           (isalnum((unsigned char)line[keyword]) || (keyword > 0 && line[keyword] == '-')))
        keyword++;
    for (size_t i = keyword; i < n; i++)
        if (line[i] == ' ' ? i + 1 == n || line[i + 1] == ' ' : line[i] < '!' || line[i] > '~')
            return 0;
    return keyword < n && line[keyword] != ' ' ? 0 : keyword;
}

/* The extensions by their RFCs, for our table may not judge itself. */
static unsigned keyword_flag(const char *name, size_t n)
{
    static const struct {
        const char *name;
        SmtpCapability flag;
    } keywords[] = {{"PIPELINING", SMTP_CAP_PIPELINING}, {"CHUNKING", SMTP_CAP_CHUNKING},
        {"8BITMIME", SMTP_CAP_8BITMIME}, {"SMTPUTF8", SMTP_CAP_SMTPUTF8}, {"SIZE", SMTP_CAP_SIZE},
        {"ENHANCEDSTATUSCODES", SMTP_CAP_ENHANCEDSTATUSCODES}, {"DSN", SMTP_CAP_DSN},
        {"STARTTLS", SMTP_CAP_STARTTLS}, {"AUTH", SMTP_CAP_AUTH},
        {"BINARYMIME", SMTP_CAP_BINARYMIME}, {"DELIVERBY", SMTP_CAP_DELIVERBY},
        {"MT-PRIORITY", SMTP_CAP_MT_PRIORITY}, {"REQUIRETLS", SMTP_CAP_REQUIRETLS},
        {"LIMITS", SMTP_CAP_LIMITS}, {"VRFY", SMTP_CAP_VRFY},
        {"FUTURERELEASE", SMTP_CAP_FUTURERELEASE}, {"SEND", SMTP_CAP_SEND}, {"SOML", SMTP_CAP_SOML},
        {"SAML", SMTP_CAP_SAML}};

    for (size_t i = 0; i < ELEMENTSOF(keywords); i++)
        if (strlen(keywords[i].name) == n && strncasecmp(keywords[i].name, name, n) == 0)
            return keywords[i].flag;
    return 0;
}

/* What the lines behind the first offer, strictly read; whether all of them can be. */
static bool refer(const char *at, const char *end, unsigned *ret_flags)
{
    bool all = true, first = true;

    *ret_flags = 0;
    for (const char *next; at < end; at = next, first = false) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at)) ?: end;
        size_t n = first ? 0 : strict_keyword(at, (size_t)(line_end - at));

        next = line_end < end ? line_end + 1 : end;
        all = all && (first || n > 0);
        *ret_flags |= keyword_flag(at, n);
    }
    return all;
}

const FuzzBudget fuzz_budget = {.steps = 50000, .steps_per_byte = 2400};

void fuzz_input(const uint8_t *data, size_t size)
{
    SmtpReply reply = {.code = 250};
    SmtpCapabilities capabilities;
    unsigned flags;
    bool all_strict = refer((const char *)data, (const char *)data + size, &flags);

    if (buffer_append(&reply.text, data, size) < 0)
        return;
    smtp_capabilities_parse(&reply, 0, &capabilities);
    check_printable(capabilities.domain, sizeof(capabilities.domain));
    check_printable(capabilities.mechanisms, sizeof(capabilities.mechanisms));
    if ((capabilities.flags & flags) != flags || (all_strict && capabilities.flags != flags))
        abort();
    (void)smtp_capabilities_offer(&capabilities, "PLAIN");
    smtp_reply_done(&reply);
}
