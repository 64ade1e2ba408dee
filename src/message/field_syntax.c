/* The table of header fields. */
#include "message/field_syntax.h"

#include <string.h>

#include "base/macros.h"
#include "base/text.h"

static const FieldRule rules[] = {
    {"From", SYNTAX_ADDRESSES, true, .originators = true},
    {"Sender", SYNTAX_ADDRESSES, true, .originators = true, .single = true},
    {"Reply-To", SYNTAX_ADDRESSES, true, .originators = true},
    {"To", SYNTAX_ADDRESSES, true},
    {"Cc", SYNTAX_ADDRESSES, true},
    {"Subject", SYNTAX_TEXT, true},
    {"Date", SYNTAX_DATE, true},
    {"Message-ID", SYNTAX_ID, true},
    {"In-Reply-To", SYNTAX_IDS, true},
    {"References", SYNTAX_IDS, true},
    {"Comments", SYNTAX_TEXT, false},
    {"Keywords", SYNTAX_PHRASES, false},
    {"Resent-From", SYNTAX_ADDRESSES, false, .originators = true},
    {"Resent-Sender", SYNTAX_ADDRESSES, false, .originators = true, .single = true},
    {"Resent-Reply-To", SYNTAX_ADDRESSES, false, .originators = true},
    {"Resent-To", SYNTAX_ADDRESSES, false},
    {"Resent-Cc", SYNTAX_ADDRESSES, false},
    {"Resent-Date", SYNTAX_DATE, false},
    {"Resent-Message-ID", SYNTAX_ID, false},
    {"Disposition-Notification-To", SYNTAX_ADDRESSES, true, .originators = true},
    {"Return-Receipt-To", SYNTAX_ADDRESSES, true, .originators = true},
    {"Errors-To", SYNTAX_ADDRESSES, true},
    {"Mail-Followup-To", SYNTAX_ADDRESSES, true},
    {"Mail-Reply-To", SYNTAX_ADDRESSES, true},
    {"Apparently-To", SYNTAX_ADDRESSES, true},
    {"MIME-Version", SYNTAX_ASCII, true},
    {"Content-Type", SYNTAX_TYPE, true},
    {"Content-Disposition", SYNTAX_PARAMETERS, true},
    {"Content-Transfer-Encoding", SYNTAX_ASCII, true},
    {"Content-ID", SYNTAX_ID, true},
    {"Content-Description", SYNTAX_TEXT, true},
    {"List-ID", SYNTAX_LIST_ID, true},
    {"List-*", SYNTAX_ASCII, true},
    {"Archived-At", SYNTAX_ASCII, true},
    {"Accept-Language", SYNTAX_ASCII, true},
    {"Supersedes", SYNTAX_IDS, true},
    {"Original-Message-ID", SYNTAX_ID, true},
    {"Original-From", SYNTAX_ADDRESSES, true, .originators = true},
    {"Reply-By", SYNTAX_DATE, true},
    {"Disposition-Notification-Options", SYNTAX_ASCII, true},
    {"Require-Recipient-Valid-Since", SYNTAX_ASCII, true},
    {"TLS-Required", SYNTAX_ASCII, true},
    {"Message-Context", SYNTAX_ASCII, true},
    {"Auto-Submitted", SYNTAX_ASCII, true},
    {"Precedence", SYNTAX_ASCII, true},
    {"Importance", SYNTAX_ASCII, true},
    {"Priority", SYNTAX_ASCII, true},
    {"Sensitivity", SYNTAX_ASCII, true},
    {"X-Priority", SYNTAX_ASCII, true},
    {"Received", SYNTAX_ASCII, false},
    {"DKIM-Signature", SYNTAX_ASCII, false},
    {"ARC-*", SYNTAX_ASCII, false},
    {"Authentication-Results", SYNTAX_ASCII, false},
    {"Received-SPF", SYNTAX_ASCII, false},
    {"Return-Path", SYNTAX_REFUSED, true},
    {"Content-Length", SYNTAX_REFUSED, true},
    {"Content-*", SYNTAX_ASCII, true},
};

static bool is_named(const char *pattern, const char *name, size_t n)
{
    size_t m = strlen(pattern);
    bool any = m > 0 && pattern[m - 1] == '*';

    m -= any;
    if (any ? n < m : n != m)
        return false;
    for (size_t i = 0; i < m; i++)
        if (text_fold(pattern[i]) != text_fold(name[i]))
            return false;
    return true;
}

const FieldRule *field_rule(const char *name, size_t n)
{
    static const FieldRule other = {NULL, SYNTAX_TEXT, false};

    for (size_t i = 0; i < ELEMENTSOF(rules); i++)
        if (is_named(rules[i].name, name, n))
            return &rules[i];
    return &other;
}

/* ---- message ids ---- */

static bool is_id_part(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] >= 0x7f || strchr("<>@(),;\\\"", text[i]))
            return false;
    return n > 0;
}

bool field_is_id(const char *text)
{
    size_t n = strlen(text);
    const char *at = strchr(text, '@');

    return n > 4 && text[0] == '<' && text[n - 1] == '>' && at &&
           is_id_part(text + 1, (size_t)(at - text) - 1) &&
           is_id_part(at + 1, (size_t)(text + n - at) - 2);
}

bool field_is_content_id(const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < n; i++)
        if (!text_is_alphanumeric(text[i]) && !strchr("._-+@$!*", text[i]))
            return false;
    return n > 0 && n <= 200;
}
