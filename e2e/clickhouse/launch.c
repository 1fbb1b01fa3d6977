/* Turns the library that npm calls @chdb/lib-linux-x64-gnu into a ClickHouse server: it holds the
 * whole of clickhouse-local, which listens for HTTP and the native protocol when it is told so.
 * Not for production: there is no way to end it but by a signal.
 *
 *   cc -O1 -o launch launch.c -ldl -lpthread
 *   ./launch LIBRARY FOLDER --config-file=... --path=FOLDER/data --http_port=... --query=...
 *
 * It ends when its standard input does, which is when whoever started it is gone, however that
 * came, and then removes FOLDER. What follows the query in `struct answer` is not read.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

struct answer {
    char *text;
    size_t length;
    void *owner;
    double seconds;
    unsigned long long rows, bytes;
    char *error;
};

static void *end_with_input(void *folder) {
    char byte;
    while (read(0, &byte, 1) > 0) {
    }
    execlp("rm", "rm", "-rf", (char *)folder, (char *)0);
    _exit(1);
}

int main(int count, char **words) {
    if (count < 3) {
        fprintf(stderr, "launch LIBRARY FOLDER ARGUMENTS...\n");
        return 2;
    }
    pthread_t watcher;
    if (pthread_create(&watcher, NULL, end_with_input, words[2])) {
        perror("pthread_create");
        return 2;
    }
    void *library = dlopen(words[1], RTLD_NOW);
    struct answer *(*run)(int, char **) = NULL;
    if (library) {
        *(void **)&run = dlsym(library, "query_stable_v2");
    }
    if (!run) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    words[2] = "clickhouse";
    struct answer *answer = run(count - 2, words + 2);
    if (answer && answer->error) {
        fprintf(stderr, "%s\n", answer->error);
        return 1;
    }
    return 0;
}
