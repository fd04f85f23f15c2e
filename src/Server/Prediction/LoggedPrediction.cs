using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Atoll.Deployments;
using Atoll.Monitoring;
using Atoll.Platform.Telemetry;
using Atoll.Prediction.OpenInference;
using Atoll.Serving.Onnx;
using Route = Atoll.Deployments.Route;

namespace Atoll.Prediction;

/// <summary>Writes a prediction as a line of its endpoint's log: what went in, what came out, of which version, when, in which trace.</summary>
/// <remarks>The values of samples and tensors only: headers, addresses and credentials never come here.</remarks>
internal static class LoggedPrediction
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JsonText.Encoder, SkipValidation = true };

    /// <summary>Samples of the platform's own API, if the prediction is among those that are kept.</summary>
    public static void Keep(HttpContext context, SamplePlan plan, PredictionWork work, bool csv)
    {
        if (plan.Route.Sampling is { } sampling && LogOf(context) is var log && log.Takes(sampling.Rate)) KeepTaken(context, plan, work, csv, sampling, log);
    }

    /// <summary>Tensors of the Open Inference Protocol, if the prediction is among those that are kept.</summary>
    public static void Keep(HttpContext context, Route route, InferTensors tensors)
    {
        if (route.Sampling is { } sampling && LogOf(context) is var log && log.Takes(sampling.Rate)) KeepTaken(context, route, tensors, sampling, log);
    }

    // Methods of their own: a method with a lambda allocates when it begins.
    private static void KeepTaken(HttpContext context, SamplePlan plan, PredictionWork work, bool csv, PredictionSampling sampling, PredictionLog log) =>
        Write(context, plan.Route, sampling, log, (line, json) =>
        {
            json.WriteStartArray(plan.ListName);
            for (var i = 0; i < work.Samples.Count; i++) WriteSample(line, json, plan, work.Samples, i);
            json.WriteEndArray();
            json.WritePropertyName("output"u8);
            line.CheckFits(work.Answer.Written.Length);
            if (csv) json.WriteStringValue(work.Answer.Written.Span);
            else json.WriteRawValue(work.Answer.Written.Span, skipInputValidation: true);
        });

    private static void KeepTaken(HttpContext context, Route route, InferTensors tensors, PredictionSampling sampling, PredictionLog log) =>
        Write(context, route, sampling, log, (line, json) =>
        {
            json.WriteStartArray("inputs"u8);
            for (var i = 0; i < tensors.Session.Inputs.Count; i++) WriteTensor(line, json, tensors.Session.Inputs[i].Name, tensors.Call.Inputs[i]);
            json.WriteEndArray();
            json.WriteStartArray("outputs"u8);
            for (var i = 0; i < tensors.OutputCount; i++)
                WriteTensor(line, json, tensors.Session.Outputs[tensors.OutputAt(i)].Name, tensors.Call.Outputs[tensors.OutputAt(i)]);
            json.WriteEndArray();
        });

    private static PredictionLog LogOf(HttpContext context) => context.RequestServices.GetRequiredService<PredictionLog>();

    private static void Write(HttpContext context, Route route, PredictionSampling sampling, PredictionLog log, Action<LogLine, Utf8JsonWriter> content)
    {
        if (!log.HasRoom(route.TenantId)) return;
        var line = new LogLine();
        try
        {
            using var json = new Utf8JsonWriter(line, Options);
            json.WriteStartObject();
            json.WriteString("time"u8, context.RequestServices.GetRequiredService<TimeProvider>().GetUtcNow().UtcDateTime);
            json.WriteString("trace"u8, RequestTrace.IdOf(context));
            json.WriteString("model"u8, route.Model);
            json.WriteNumber("version"u8, route.Version);
            content(line, json);
            json.WriteEndObject();
            json.Flush();
            line.Write("\n"u8);
        }
        catch (LogLineTooLongException)
        {
            log.DropTooLong();
            return;
        }
        log.Add(route.TenantId, sampling.EndpointId, line.WrittenSpan.ToArray());
    }

    private static void WriteSample(LogLine line, Utf8JsonWriter json, SamplePlan plan, SampleBatch samples, int sample)
    {
        switch (plan.ListName)
        {
            case "texts":
                line.CheckFits(samples.Bytes(sample, 0).Length);
                json.WriteStringValue(samples.Bytes(sample, 0));
                break;

            case "images" or "sounds":
                // A file would make the line as long as itself; this finds it again among those that the caller has.
                json.WriteStartObject();
                json.WriteNumber("bytes"u8, samples.Bytes(sample, 0).Length);
                json.WriteString("sha256"u8, Convert.ToHexStringLower(SHA256.HashData(samples.Bytes(sample, 0))));
                json.WriteEndObject();
                break;

            default:
                json.WriteStartObject();
                for (var column = 0; column < plan.Columns.Count; column++)
                {
                    if (samples.IsMissing(sample, column)) continue;
                    if (plan.Columns[column].IsNumber)
                    {
                        WriteNumber(json, plan.Columns[column].Utf8Name, samples.Number(sample, column));
                        continue;
                    }
                    line.CheckFits(samples.Bytes(sample, column).Length);
                    json.WriteString(plan.Columns[column].Utf8Name, samples.Bytes(sample, column));
                }
                json.WriteEndObject();
                break;
        }
    }

    private static void WriteNumber(Utf8JsonWriter json, ReadOnlySpan<byte> name, float number)
    {
        if (float.IsFinite(number)) json.WriteNumber(name, number);
        else json.WriteString(name, number.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>Writes a tensor, without its values when JSON has no form for them.</summary>
    /// <exception cref="LogLineTooLongException">The line has no room for it.</exception>
    internal static void WriteTensor(LogLine line, Utf8JsonWriter json, string name, OnnxTensor tensor)
    {
        // With quotes and a comma for each element.
        if (tensor.ElementType == TensorElementType.String) line.CheckFits(tensor.TextBytes() + (3L * tensor.Count));
        json.WriteStartObject();
        TensorData.WriteHead(json, name, tensor);

        // Half precision, NaN and infinity have no form in JSON, which is found out on the way.
        var data = new LogLine();
        using (var values = new Utf8JsonWriter(data, Options))
        {
            if (TensorData.TryWrite(values, tensor))
            {
                values.Flush();
                json.WritePropertyName("data"u8);
                json.WriteRawValue(data.WrittenSpan, skipInputValidation: true);
            }
        }
        json.WriteEndObject();
    }
}
