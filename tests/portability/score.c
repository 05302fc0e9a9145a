// Scores the rows of a file with ONNX Runtime's C API: score LIBRARY MODEL.onnx ROWS N_ROWS N_NUMERIC
// ROWS holds float64, row after row. Prints one line a row: raw_score prediction is_anomaly confidence.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "onnxruntime_c_api.h"

#define N_OUTPUTS 4

static const OrtApi* ort;

static void check(OrtStatus* status) {
  if (status == NULL) return;
  fprintf(stderr, "%s\n", ort->GetErrorMessage(status));
  exit(1);
}

static void need(int holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "%s\n", what);
  exit(2);
}

static const OrtApi* open_runtime(const char* library) {
  void* opened = dlopen(library, RTLD_NOW);
  need(opened != NULL, "the library cannot be opened");
  const OrtApiBase* (*base)(void) = (const OrtApiBase* (*)(void))dlsym(opened, "OrtGetApiBase");
  need(base != NULL, "the library is not ONNX Runtime");
  return base()->GetApi(ORT_API_VERSION);
}

static double* read_rows(const char* path, size_t n_values) {
  FILE* file = fopen(path, "rb");
  need(file != NULL, "the rows cannot be opened");
  double* rows = malloc(n_values * sizeof(double));
  need(rows != NULL && fread(rows, sizeof(double), n_values, file) == n_values, "the rows cannot be read");
  fclose(file);
  return rows;
}

static void print_scores(OrtValue** outputs, size_t n_rows) {
  void* data[N_OUTPUTS];
  for (int i = 0; i < N_OUTPUTS; i++) check(ort->GetTensorMutableData(outputs[i], &data[i]));
  const double *raw_score = data[0], *prediction = data[1], *confidence = data[3];
  const _Bool* is_anomaly = data[2];
  for (size_t row = 0; row < n_rows; row++)
    printf("%.17g %.17g %d %.17g\n", raw_score[row], prediction[row], is_anomaly[row], confidence[row]);
}

int main(int n_arguments, char** arguments) {
  need(n_arguments == 6, "score LIBRARY MODEL.onnx ROWS N_ROWS N_NUMERIC");
  int64_t shape[] = {atoll(arguments[4]), atoll(arguments[5])};
  size_t n_values = (size_t)(shape[0] * shape[1]);
  double* rows = read_rows(arguments[3], n_values);
  ort = open_runtime(arguments[1]);
  need(ort != NULL, "the library is older than its header");

  OrtEnv* env;
  OrtSessionOptions* options;
  OrtSession* session;
  check(ort->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "score", &env));
  check(ort->CreateSessionOptions(&options));
  check(ort->CreateSession(env, arguments[2], options, &session));

  OrtMemoryInfo* memory;
  OrtValue* numeric;
  check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
  check(ort->CreateTensorWithDataAsOrtValue(memory, rows, n_values * sizeof(double), shape, 2,
                                            ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE, &numeric));

  const char* inputs[] = {"numeric"};
  const char* names[N_OUTPUTS] = {"raw_score", "prediction", "is_anomaly", "confidence"};
  OrtValue* outputs[N_OUTPUTS] = {NULL};
  check(ort->Run(session, NULL, inputs, (const OrtValue* const*)&numeric, 1, names, N_OUTPUTS, outputs));
  print_scores(outputs, (size_t)shape[0]);
  return 0;
}
