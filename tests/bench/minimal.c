/* The least that queues a message durably: write, sync, rename, sync. What `outbox queue` is
 * measured against. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char data[65536], temporary[64], name[64];
    int directory, file;
    ssize_t n;

    if (argc != 2 || (directory = open(argv[1], O_RDONLY | O_DIRECTORY)) < 0)
        return EXIT_FAILURE;
    snprintf(temporary, sizeof(temporary), ".new-%d", (int)getpid());
    snprintf(name, sizeof(name), "%d.queued", (int)getpid());
    file = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (file < 0)
        return EXIT_FAILURE;
    while ((n = read(STDIN_FILENO, data, sizeof(data))) > 0)
        if (write(file, data, (size_t)n) != n)
            return EXIT_FAILURE;
    if (n < 0 || fsync(file) < 0 || renameat(directory, temporary, directory, name) < 0 ||
        fsync(directory) < 0)
        return EXIT_FAILURE;
    return EXIT_SUCCESS;
}
