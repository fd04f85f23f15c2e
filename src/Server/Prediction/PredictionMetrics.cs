using System.Diagnostics.Metrics;
using Atoll.Platform.Telemetry;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Step = Atoll.Serving.Onnx.RunStatistics.Step;

namespace Atoll.Prediction;

/// <summary>What is asked of models, by the names that users of Triton chart, and the queue before them.</summary>
internal sealed class PredictionMetrics : IMetrics
{
    private static readonly (Refusal Reason, string Word)[] Reasons =
        [(Refusal.Full, "full"), (Refusal.TenantFull, "tenant-full"), (Refusal.TooOften, "too-often"), (Refusal.TooLate, "too-late")];

    public PredictionMetrics(IMeterFactory meters, PredictionRunner runner)
    {
        var meter = meters.Create("Atoll.Prediction");
        Count("nv_inference_request_success", () => RunStatistics.TotalOf(Step.Success).Count, "Requests of predictions that were answered.");
        Count("nv_inference_request_failure", () => RunStatistics.TotalOf(Step.Fail).Count, "Requests of predictions that failed or were refused.");
        Count("nv_inference_count", () => RunStatistics.TotalSamples, "Samples that went through models.");
        Count("nv_inference_exec_count", () => RunStatistics.TotalOf(Step.ComputeInfer).Count, "Runs of models; a run takes one sample or more.");
        Time("nv_inference_request_duration_us", Step.Success, "Microseconds of answered requests, from reading their tensors to writing the answer's.");
        Time("nv_inference_queue_duration_us", Step.Queue, "Microseconds that requests waited for their turn.");
        Time("nv_inference_compute_input_duration_us", Step.ComputeInput, "Microseconds of reading tensors.");
        Time("nv_inference_compute_infer_duration_us", Step.ComputeInfer, "Microseconds of running models.");
        Time("nv_inference_compute_output_duration_us", Step.ComputeOutput, "Microseconds of writing tensors.");
        meter.CreateObservableGauge("nv_inference_pending_request_count", () => runner.Places.Waiting, null, "Requests that wait for their turn.");
        meter.CreateObservableGauge("atoll.predictions.running", () => runner.Places.Running, "{request}", "Requests that run a model now.");
        meter.CreateObservableCounter("atoll.predictions.express", () => runner.AtOnce.Sum(), "{request}", "Requests that ran at once by the express lane.");
        meter.CreateObservableCounter("atoll.predictions.batched", () => runner.Together.Sum(), "{request}", "Requests that ran together with others.");
        meter.CreateObservableCounter(
            "atoll.predictions.refused",
            () => Reasons.Select(reason => new Measurement<long>(runner.Places.Refused(reason.Reason), new KeyValuePair<string, object?>("reason", reason.Word))),
            "{request}", "Requests that were refused instead of waiting, by reason.");

        void Count(string name, Func<long> value, string what) => meter.CreateObservableCounter(name, value, null, what);
        void Time(string name, Step step, string what) => Count(name, () => RunStatistics.TotalOf(step).Nanoseconds / 1_000, what);
    }
}
