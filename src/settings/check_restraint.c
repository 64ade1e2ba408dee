/* Rates and quiet hours. Must never pass what the daemon could not read. */
#include "settings/check_restraint.h"

#include "settings/hours.h"
#include "settings/rate.h"

static int tell(
    Draft *draft, const Setting *setting, size_t place, const char *text, const Failure *why)
{
    return draft_mistake_in(draft, setting, place, "\"%s\": %s", text, failure_text(why));
}

static int check_rate(Draft *draft, const Setting *setting, size_t place, const char *text)
{
    _cleanup_failure_ Failure why = {0};
    Rate rates[RATES_MAX];

    return !text || rates_parse(text, rates, &why) >= 0 ? 0
                                                        : tell(draft, setting, place, text, &why);
}

int check_restraints(Draft *draft, SettingSection section, size_t place, const char *message_rate,
    const char *recipient_rate, const char *quiet)
{
    _cleanup_failure_ Failure why = {0};
    Hours hours;
    int r = check_rate(draft, setting_find(section, "message_rate"), place, message_rate);

    if (r == 0)
        r = check_rate(draft, setting_find(section, "recipient_rate"), place, recipient_rate);
    if (r == 0 && quiet && hours_parse(quiet, &hours, &why) < 0)
        r = tell(draft, setting_find(section, "quiet"), place, quiet, &why);
    return r;
}
