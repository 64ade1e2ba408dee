/* What of main.cf has no match here. Must never pass over what changes where mail goes, or what is
 * in it. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "foreign/main_cf.h"

/* Of receiving, of mailboxes, of Postfix's own files, or always so here. */
static const char *const silent[] = {"smtpd_*", "postscreen_*", "lmtp_*", "local_*", "mailbox_*",
    "mail_spool_directory", "home_mailbox", "postmulti_*", "tlsproxy_*", "virtual_mailbox_*",
    "virtual_transport", "virtual_*_maps_*", "smtp_tls_session_cache_*", "smtp_tls_loglevel",
    "smtp_sasl_type", "smtp_sasl_path", "smtp_sasl_*security_options",
    "smtp_tls_note_starttls_offer", "smtp_tls_fingerprint_digest", "smtp_tls_*ciphers",
    "smtp_tls_*exclude_ciphers", "smtp_host_lookup", "smtp_address_preference",
    "smtp_dns_support_level", "smtputf8_*", "biff", "append_*", "*_directory",
    "compatibility_level", "mail_owner", "setgid_group", "mail_name", "mail_version",
    "sendmail_path", "newaliases_path", "mailq_path", "alias_database", "mynetworks*",
    "recipient_delimiter", "unknown_*", "debug*", "default_database_type", "notify_classes",
    "maillog_*", "syslog_*", "disable_vrfy_command", "relay_domains", "strict_rfc821_envelopes",
    "mydomain", "parent_domain_matches_subdomains", "swap_bangpath", "process_id",
    "import_environment", "export_environment"};

static const struct {
    const char *name, *note;
} told[] = {
    {"sender_dependent_relayhost_maps", "see routes in outbox.conf(5)"},
    {"sender_dependent_default_transport_maps", "see routes in outbox.conf(5)"},
    {"transport_maps", "see routes in outbox.conf(5)"},
    {"relay_transport", "see routes in outbox.conf(5)"},
    {"default_transport", "see routes in outbox.conf(5)"},
    {"smtp_tls_policy_maps", "each relay has tls of its own in outbox.conf(5)"},
    {"smtp_sender_dependent_authentication",
        "see routes in outbox.conf(5): each relay has one login"},
    {"smtp_generic_maps", "see local.rewrite_from in outbox.conf(5)"},
    {"canonical_maps", "see local.rewrite_from in outbox.conf(5)"},
    {"sender_canonical_maps", "see local.rewrite_from in outbox.conf(5)"},
    {"masquerade_domains", "see local.rewrite_from in outbox.conf(5)"},
    {"recipient_canonical_maps", "see local.aliases, for names without a domain"},
    {"virtual_alias_maps", "see local.aliases, for names without a domain"},
    {"virtual_alias_domains", "see local.aliases, for names without a domain"},
    {"luser_relay", "see local.aliases, where \"*\" is every name without a line of its own"},
    {"smtp_destination_rate_delay", "see message_rate in outbox.conf(5)"},
    {"default_destination_rate_delay", "see message_rate in outbox.conf(5)"},
    {"delay_warning_time", "see bounce.delay_warning in outbox.conf(5)"},
    {"smtp_tls_protocols", "see tls_protocols in outbox.conf(5)"},
    {"smtp_tls_mandatory_protocols", "see tls_protocols in outbox.conf(5)"},
    {"content_filter", "no mail is filtered, or signed, here"},
    {"smtpd_milters", "no mail is filtered, or signed, here"},
    {"non_smtpd_milters", "no mail is filtered, or signed, here"},
    {"always_bcc", "nobody gets a copy of all mail here"},
    {"virtual_mailbox_domains",
        "mail to these domains stayed on this machine; here it goes to the relay"},
};

static bool is_silent(const char *name)
{
    for (size_t i = 0; i < ELEMENTSOF(silent); i++)
        if (fnmatch(silent[i], name, 0) == 0)
            return true;
    return false;
}

static void tell(MainCf *m, const MainCfParameter *p)
{
    for (size_t i = 0; i < ELEMENTSOF(told); i++)
        if (strcmp(told[i].name, p->name) == 0) {
            translation_note(&m->t, "%s is not taken: %s", p->name, told[i].note);
            return;
        }
    if (!is_silent(p->name))
        translation_note(&m->t, "%s has no match here", p->name);
}

#define OTHER_HOSTS                                                                            \
    "Postfix took mail of other hosts; outbox takes that of those that spool.submit_networks " \
    "names (outbox.conf(5))"

/* Those of which a value may matter, and a usual one does not. */
static const struct {
    const char *name, *words, *note;
} places[] = {
    {"mydestination", "localhost localhost.$mydomain localhost.localdomain $myhostname",
        "mail to the domains of mydestination stayed on this machine; here it goes to the relay"},
    {"inet_interfaces", "loopback-only localhost 127.0.0.1 ::1 [::1]", OTHER_HOSTS},
    {"mynetworks",
        "127.0.0.0/8 127.0.0.1 127.0.0.1/8 127.0.0.1/32 [::1] [::1]/128 [::ffff:127.0.0.0]/104",
        OTHER_HOSTS},
};

static bool has_word(const char *words, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = words; (at = strstr(at, word)); at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

static void tell_place(MainCf *m, size_t place)
{
    MainCfParameter *p = main_cf_find(m, places[place].name);
    _cleanup_free_
    char *list = p ? strdup(p->value) : NULL;
    char *rest = list, *word;

    if (p)
        p->used = true;
    while (list && (word = main_cf_next(&rest)))
        if (!has_word(places[place].words, word)) {
            translation_note(&m->t, "%s", places[place].note);
            return;
        }
}

void main_cf_tell_rest(MainCf *m)
{
    bool listens = main_cf_find(m, "inet_interfaces");

    for (size_t i = 0; i < ELEMENTSOF(places); i++)
        if (!listens || strcmp(places[i].name, "mynetworks") != 0) /* else that says it all */
            tell_place(m, i);
    for (size_t i = 0; i < m->n; i++) {
        main_cf_speak_of(m, &m->all[i]);
        if (!m->all[i].used && *m->all[i].value)
            tell(m, &m->all[i]);
    }
}
