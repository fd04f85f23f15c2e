using Atoll.Platform.Http;
using Atoll.Platform.Imaging;
using Atoll.Platform.Limits;
using Atoll.Serving.Onnx;
using Microsoft.Extensions.Options;

namespace Atoll.Prediction;

/// <summary>Runs a loaded model over the samples of a request, in slices that keep memory small, when its turn has come.</summary>
internal sealed class PredictionRunner(RunPermits permits, TenantLimitsDirectory limits, IOptions<PredictionOptions> options)
{
    private const int RowsPerRun = 1024;

    // A batch of texts is as wide as its longest one.
    private const int TextsPerRun = 64;

    /// <summary>Predicts every sample and writes the answer; null when that went well.</summary>
    public async ValueTask<Problem?> RunAsync(
        OnnxSession session, SamplePlan plan, PredictionWork work, bool csv, CancellationToken cancellationToken)
    {
        if (await EnterAsync(plan.Route.TenantId, cancellationToken) is { } busy) return busy;
        try
        {
            using var run = new OnnxRunOptions(cancellationToken);
            var answer = new PredictionAnswer(plan, work, csv);
            var problem = plan.ListName switch
            {
                "rows" => RunSlices(session, plan, work, answer, RowsPerRun, run),
                "texts" => RunSlices(session, plan, work, answer, TextsPerRun, run),
                _ => RunImages(session, plan, work, answer, run, cancellationToken),
            };
            if (problem is null) answer.End();
            return problem;
        }
        catch (OnnxException failure) when (IsAboutData(failure))
        {
            return PredictionProblems.Failed(plan, failure.Message);
        }
        finally
        {
            permits.Leave();
        }
    }

    /// <summary>Runs a model once over tensors that were made and checked by the caller, who disposes both.</summary>
    /// <returns>The outputs; or the problem when too many requests wait already.</returns>
    public async ValueTask<Outcome<OnnxTensor[]>> RunAsync(string tenantId, OnnxSession session, OnnxTensor[] inputs, CancellationToken cancellationToken)
    {
        if (await EnterAsync(tenantId, cancellationToken) is { } busy) return busy;
        try
        {
            using var run = new OnnxRunOptions(cancellationToken);
            return session.Run(inputs, run);
        }
        finally
        {
            permits.Leave();
        }
    }

    private async ValueTask<Problem?> EnterAsync(string tenantId, CancellationToken cancellationToken)
    {
        var most = limits.Of(tenantId);
        return await permits.EnterAsync(tenantId, most.WaitingPredictionsMax, cancellationToken) switch
        {
            Admission.Admitted => null,
            Admission.TenantBusy => LimitProblems.TooManyWaitingPredictions(most),
            _ => PredictionProblems.Busy(),
        };
    }

    /// <summary>A run of a model that loads can fail for what it was given; anything else is the operator's.</summary>
    public static bool IsAboutData(OnnxException failure) =>
        failure.Code is OnnxErrorCode.InvalidArgument or OnnxErrorCode.Fail or OnnxErrorCode.RuntimeException;

    private static Problem? RunSlices(
        OnnxSession session, SamplePlan plan, PredictionWork work, PredictionAnswer answer, int samplesPerRun, OnnxRunOptions run)
    {
        var where = plan.OutputsOf(session);
        var inputs = new OnnxTensor[where.InputColumns.Length];
        for (var first = 0; first < work.Samples.Count; first += samplesPerRun)
        {
            var count = Math.Min(samplesPerRun, work.Samples.Count - first);
            try
            {
                for (var i = 0; i < inputs.Length; i++) inputs[i] = Fill(session.Inputs[i], work.Samples, where.InputColumns[i], first, count);
                if (RunOnce(session, inputs, answer, where, first, count, run) is { } problem) return problem;
            }
            finally
            {
                DisposeAll(inputs);
            }
        }
        return null;
    }

    // Pictures differ in size, so each runs alone, and only one is in memory.
    private Problem? RunImages(
        OnnxSession session, SamplePlan plan, PredictionWork work, PredictionAnswer answer, OnnxRunOptions run, CancellationToken cancellationToken)
    {
        var where = plan.OutputsOf(session);
        for (var i = 0; i < work.Samples.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            RgbImage image;
            try
            {
                image = ImageDecoder.Decode(work.Samples.Bytes(i, 0), options.Value.ImagePixelsMax);
            }
            catch (ImageFormatException refusal)
            {
                return PredictionProblems.Invalid(plan, work.Samples.PathOf(i), "cannot be read as an image", refusal.Message);
            }
            var shape = session.Inputs[0].Shape;
            if ((shape[1] >= 0 && shape[1] != image.Height) || (shape[2] >= 0 && shape[2] != image.Width))
            {
                return PredictionProblems.Invalid(
                    plan, work.Samples.PathOf(i), $"is {image.Width} x {image.Height} pixels", $"The model takes images of {shape[2]} x {shape[1]} pixels.");
            }
            using var input = OnnxTensor.Create<byte>(image.Pixels, 1, image.Height, image.Width, 3);
            if (RunOnce(session, [input], answer, where, i, 1, run) is { } problem) return problem;
        }
        return null;
    }

    private static Problem? RunOnce(
        OnnxSession session, ReadOnlySpan<OnnxTensor> inputs, PredictionAnswer answer, OutputPlan where, int first, int count, OnnxRunOptions run)
    {
        var outputs = session.Run(inputs, run);
        try
        {
            return answer.Add(outputs, where, first, count);
        }
        finally
        {
            DisposeAll(outputs);
        }
    }

    private static OnnxTensor Fill(OnnxValueInfo input, SampleBatch samples, int column, int first, int count)
    {
        ReadOnlySpan<long> shape = input.Shape.Length == 1 ? [count] : [count, 1];
        if (input.Type != TensorElementType.String)
        {
            var numbers = OnnxTensor.Allocate<float>(shape);
            var values = numbers.Span<float>();
            for (var i = 0; i < count; i++) values[i] = samples.Number(first + i, column);
            return numbers;
        }
        var texts = OnnxTensor.Allocate(TensorElementType.String, shape);
        for (var i = 0; i < count; i++)
        {
            // A new tensor holds empty texts.
            var text = samples.Bytes(first + i, column);
            if (text.Length > 0) texts.SetUtf8(i, text);
        }
        return texts;
    }

    private static void DisposeAll(OnnxTensor?[] tensors)
    {
        for (var i = 0; i < tensors.Length; i++)
        {
            tensors[i]?.Dispose();
            tensors[i] = null;
        }
    }
}
