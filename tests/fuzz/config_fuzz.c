/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as holdfast.yaml: a config, or errors that say something. */
#include "base/file.h"
#include "fuzz/fuzz.h"
#include "wire/config.h"
#include "wire/dotenv.h"
#include "wire/yaml_tree.h"
#include <stdio.h>
#include <unistd.h>

static void parse_dotenv(struct slice text) {
    char **list = memory_array(1, sizeof *list);
    struct dotenv_problem problem = {0};
    if (dotenv_parse(text, &list, &problem) < 0)
        must(problem.text && problem.line && problem.column);
    for (char **entry = list; *entry; entry++) {
        must(strchr(*entry, '='));
        free(*entry);
    }
    free(list);
}

static void load(struct slice text) {
    char path[64];
    snprintf(path, sizeof path, "/dev/shm/holdfast-fuzz-%d.yaml", (int)getpid());
    must(file_replace_fast(path, text, 0600) == 0);
    struct config *config = NULL;
    struct config_errors errors = {0};
    int r = config_load(path, "/dev/shm", &config, &errors);
    must(r < 0 || (r == 0) == (errors.count == 0));
    for (size_t i = 0; i < errors.count; i++)
        must(errors.list[i].place[0] && errors.list[i].text[0]);
    if (r == 0)
        config_free(config);
    config_errors_deinit(&errors);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = {(const char *)data, size};
    struct yaml_node *tree = NULL;
    struct yaml_problem problem = {0};
    if (yaml_tree_parse(text, &tree, &problem) < 0)
        must(problem.text[0] && problem.line && problem.column);
    yaml_tree_free(tree);
    parse_dotenv(text);
    load(text);
    return 0;
}
