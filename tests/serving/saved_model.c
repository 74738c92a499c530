/* Scores sites with an exported SavedModel through the C API of TensorFlow.
 *
 * usage: saved_model DIRECTORY SEQUENCE_INPUT DOT_BRACKET_INPUT OUTPUT < SITES
 *
 * The names are names of tensors in the graph, without ":0", the output as "NAME:INDEX";
 * `saved_model_cli show --all` lists them. A line of SITES holds a sequence, a tab and
 * its dot-bracket. Prints a probability a line: one batch, one call, no Python.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

enum { MAX_SITES = 4096, MAX_LINE = 1 << 16 };

static void check(const TF_Status *status, const char *doing) {
  if (TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "%s: %s\n", doing, TF_Message(status));
  exit(1);
}

static TF_Output named(TF_Graph *graph, const char *name, int index) {
  TF_Output output = {TF_GraphOperationByName(graph, name), index};
  if (output.oper) return output;
  fprintf(stderr, "no operation %s in the graph\n", name);
  exit(1);
}

static TF_Tensor *strings(char **texts, int64_t n) {
  TF_Tensor *tensor =
      TF_AllocateTensor(TF_STRING, &n, 1, (size_t)n * sizeof(TF_TString));
  TF_TString *values = TF_TensorData(tensor);
  for (int64_t i = 0; i < n; ++i) {
    TF_StringInit(&values[i]);
    TF_StringCopy(&values[i], texts[i], strlen(texts[i]));
  }
  return tensor;
}

static char *copied(const char *text) {
  char *copy = malloc(strlen(text) + 1);
  return strcpy(copy, text);
}

int main(int argc, char **argv) {
  static char line[MAX_LINE];
  static char *sequences[MAX_SITES], *dot_brackets[MAX_SITES];
  int n_sites = 0;
  if (argc != 5) {
    fprintf(stderr, "usage: %s DIRECTORY SEQUENCE DOT_BRACKET OUTPUT\n", argv[0]);
    return 2;
  }
  while (n_sites < MAX_SITES && fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    char *tab = strchr(line, '\t');
    if (!tab) return 2;
    *tab = 0;
    sequences[n_sites] = copied(line);
    dot_brackets[n_sites++] = copied(tab + 1);
  }

  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tags[] = {"serve"};
  TF_Session *session = TF_LoadSessionFromSavedModel(
      options, NULL, argv[1], tags, 1, graph, NULL, status);
  check(status, "load");

  char *colon = strchr(argv[4], ':');
  int index = colon ? atoi(colon + 1) : 0;
  if (colon) *colon = 0;
  TF_Output inputs[] = {named(graph, argv[2], 0), named(graph, argv[3], 0)};
  TF_Output output = named(graph, argv[4], index);
  TF_Tensor *values[] = {strings(sequences, n_sites), strings(dot_brackets, n_sites)};
  TF_Tensor *result = NULL;
  TF_SessionRun(session, NULL, inputs, values, 2, &output, &result, 1, NULL, 0, NULL,
                status);
  check(status, "run");

  const float *probability = TF_TensorData(result);
  for (int i = 0; i < n_sites; ++i) printf("%.9g\n", probability[i]);

  TF_DeleteTensor(result);
  TF_DeleteTensor(values[0]);
  TF_DeleteTensor(values[1]);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
