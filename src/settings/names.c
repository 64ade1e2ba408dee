/* Finding settings by name: own names, the component's, misspelt ones, and those of the component
 * that outbox does not have. Must never look at a value. */
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "settings/table.h"

#define NAME_MAX_LENGTH 64

static const char *const section_names[SECTION_MAX] = {
    [SECTION_SPOOL] = "spool",
    [SECTION_RELAYS] = "relays",
    [SECTION_ROUTES] = "routes",
    [SECTION_LANES] = "lanes",
    [SECTION_RETRY] = "retry",
    [SECTION_BOUNCE] = "bounce",
    [SECTION_ALARM] = "alarm",
    [SECTION_DAEMON] = "daemon",
    [SECTION_MESSAGE] = "message",
    [SECTION_LOCAL] = "local",
};

/* The component's settings that are not in the table; several names share a reason. */
static const struct {
    const char *names;
    const char *reason;
} unavailable[] = {
    {"FirewallListener", "makes the component a server: outbox is a client"},
    {"Firewall", "has no value of its own; set proxy_type, proxy_host and what else begins with "
                 "proxy_"},
    {"CloseStreamAfterTransfer", "is said of a stream that a program hands over, and not of the "
                                 "configuration; leave it out"},
    {"MessageHeaders MessageHeadersString TransferText",
        "can only be read, of a message that is composed; `outbox queue --directory '*'` prints "
        "it"},
    {"BCc Cc SendTo From Subject ReplyTo ReturnPath MessageText OtherHeaders MessageDate MessageId "
     "Importance Priority Sensitivity ReadReceiptTo DeliveryNotificationTo Message "
     "MessageRecipients",
        "belongs to a message, not to the configuration; see the options of `outbox send`"},
    {"Connected Idle LastReply SSLServerCert RemoteAddress AuthMechanismUsed "
     "ServerName ServerExtensions ServerMechanisms ServerSizeLimit "
     "SSLNegotiatedCipher SSLNegotiatedCipherStrength SSLNegotiatedCipherSuite "
     "SSLNegotiatedKeyExchange SSLNegotiatedKeyExchangeStrength SSLNegotiatedVersion",
        "can only be read, after connecting; `outbox check` shows the connection"},
    {"BuildInfo LicenseInfo", "can only be read: `outbox config BuildInfo`, `outbox --version`"},
};

/* Lower case, without underscores, cut to what any name can have. */
static void normalize(const char *name, size_t n, char text[static NAME_MAX_LENGTH])
{
    size_t used = 0;

    for (size_t i = 0; i < n && used < NAME_MAX_LENGTH - 1; i++)
        if (name[i] != '_')
            text[used++] = text_fold(name[i]);
    text[used] = '\0';
}

bool setting_name_equal(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, "_");
        b += strspn(b, "_");
        if (!text_equal_nocase((char[]){*a, '\0'}, (char[]){*b, '\0'}))
            return false;
        if (*a == '\0')
            return true;
    }
}

/* The least distance between a normalized name and any word of a list; 0 is a match. Words
 * whose lengths differ by more than the limit are passed over: they are further away. With a limit
 * of 0 nothing but matches is looked for, which is what nearly every call wants. */
static size_t words_distance(const char *words, const char *wanted, size_t limit)
{
    size_t best = SIZE_MAX, n_wanted = strlen(wanted);

    for (words += strspn(words, " "); *words; words += strspn(words, " ")) {
        char word[NAME_MAX_LENGTH];
        size_t n = strcspn(words, " "), n_word;

        normalize(words, n, word);
        if (strcmp(word, wanted) == 0)
            return 0;
        n_word = strlen(word);
        if (limit > 0 && MAX(n_word, n_wanted) - MIN(n_word, n_wanted) <= limit)
            best = MIN(best, text_distance(word, wanted));
        words += n;
    }
    return best;
}

const char *section_name(SettingSection section)
{
    return section_names[section];
}

SettingSection section_find(const char *name)
{
    for (SettingSection s = 0; s < SECTION_MAX; s++)
        if (setting_name_equal(section_names[s], name))
            return s;
    return SECTION_ANY;
}

static bool is_searched(SettingSection section, const Setting *row)
{
    return section == SECTION_ANY ? !section_needs_place(row->section) : row->section == section;
}

/* The row nearest to `name`, at most `limit` edits away. */
static const Setting *nearest(SettingSection section, const char *name, size_t limit)
{
    const Setting *found = NULL;
    char wanted[NAME_MAX_LENGTH];
    size_t n;
    const Setting *rows = settings_table(&n);

    if (strlen(name) >= NAME_MAX_LENGTH)
        return NULL;
    normalize(name, strlen(name), wanted);
    if (wanted[0] == '\0')
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t distance;

        if (!is_searched(section, &rows[i]))
            continue;
        distance = MIN(words_distance(rows[i].name, wanted, limit),
            words_distance(rows[i].aliases, wanted, limit));
        if (distance <= limit && (!found || distance < limit)) {
            found = &rows[i];
            limit = distance;
        }
    }
    return found;
}

/* As setting_name_equal(), of a word of `n` bytes. */
static bool is_word(const char *word, size_t n, const char *name)
{
    for (const char *end = word + n;; word++, name++) {
        while (word < end && *word == '_')
            word++;
        while (*name == '_')
            name++;
        if (word == end || *name == '\0')
            return word == end && *name == '\0';
        if (text_fold(*word) != text_fold(*name))
            return false;
    }
}

static bool has_word(const char *words, const char *name)
{
    size_t n;

    for (; *words; words += n + (words[n] == ' ')) {
        n = strcspn(words, " ");
        if (n > 0 && is_word(words, n, name))
            return true;
    }
    return false;
}

/* It is asked for all the time, and nearly all rows differ in the first letter. */
const Setting *setting_find(SettingSection section, const char *name)
{
    size_t n;
    const Setting *rows = settings_table(&n);

    if (name[strspn(name, "_")] == '\0')
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (is_searched(section, &rows[i]) &&
            (is_word(rows[i].name, strlen(rows[i].name), name) || has_word(rows[i].aliases, name)))
            return &rows[i];
    return NULL;
}

const Setting *setting_suggest(SettingSection section, const char *name)
{
    return nearest(section, name, MIN((size_t)3, 1 + strlen(name) / 4));
}

const char *setting_unavailable(const char *name)
{
    char wanted[NAME_MAX_LENGTH];

    if (strlen(name) >= NAME_MAX_LENGTH)
        return NULL;
    normalize(name, strlen(name), wanted);
    if (wanted[0] == '\0')
        return NULL;
    for (size_t i = 0; i < ELEMENTSOF(unavailable); i++)
        if (words_distance(unavailable[i].names, wanted, 0) == 0)
            return unavailable[i].reason;
    return NULL;
}
