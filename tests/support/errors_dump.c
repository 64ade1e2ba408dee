/* Prints the table of errors for scripts/check-errors, which holds the manual page and the list of
 * the component's members against it: number, symbol, exit status and text, with tabs between them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/errors.h"

int main(void)
{
    size_t n;
    const ErrorRow *rows = error_table(&n);

    for (size_t i = 0; i < n; i++)
        printf("%d\t%s\t%d\t%s\n", rows[i].number, rows[i].symbol, rows[i].status, rows[i].text);
    return EXIT_SUCCESS;
}
