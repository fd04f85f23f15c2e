using System.Globalization;
using System.IO.Pipelines;
using Atoll.Platform.Http;
using Atoll.Serving.Onnx;
using Route = Atoll.Deployments.Route;

namespace Atoll.Prediction.OpenInference;

/// <summary>The answer to an infer request: JSON, then the tensors that were asked for in binary.</summary>
internal sealed class InferResponse : IDisposable
{
    private readonly OnnxTensor[] _outputs;
    private readonly List<RawOutput> _raw = [];
    private readonly PooledBuffer _json;

    private InferResponse(OnnxTensor[] outputs, PooledBuffer json)
    {
        _outputs = outputs;
        _json = json;
    }

    /// <summary>Writes the JSON; or says why an output has none.</summary>
    /// <param name="outputs">All that the model gave; they are disposed with the response, or when there is none.</param>
    /// <param name="work">Holds the JSON until the response is sent.</param>
    public static Outcome<InferResponse> Make(Route route, InferRequest request, InferTensors tensors, OnnxTensor[] outputs, PredictionWork work)
    {
        var response = new InferResponse(outputs, work.Answer);
        Problem? problem = null;
        try
        {
            problem = response.WriteJson(route, request, tensors, work);
            return problem is null ? response : problem;
        }
        catch
        {
            response.Dispose();
            throw;
        }
        finally
        {
            if (problem is not null) response.Dispose();
        }
    }

    /// <summary>Sends it, in the encoding that the client wants.</summary>
    public async Task SendAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var length = (long)_json.Length;
        foreach (var raw in _raw) length += raw.Size;
        context.Response.ContentType = _raw.Count == 0 ? "application/json" : "application/octet-stream";
        if (_raw.Count > 0) context.Response.Headers[BodyEncoding.HeaderLength] = _json.Length.ToString(CultureInfo.InvariantCulture);
        if (BodyEncoding.Choose(context.Request, length) is not { } encoding)
        {
            context.Response.ContentLength = length;
            await WriteAsync(context.Response.BodyWriter, cancellationToken);
            return;
        }
        context.Response.Headers.ContentEncoding = encoding;
        await using var compressed = BodyEncoding.Compress(context.Response.Body, encoding);
        var writer = PipeWriter.Create(compressed, new StreamPipeWriterOptions(leaveOpen: true));
        await WriteAsync(writer, cancellationToken);
        await writer.CompleteAsync();
    }

    public void Dispose()
    {
        foreach (var raw in _raw) raw.Dispose();
        foreach (var output in _outputs) output.Dispose();
    }

    private async ValueTask WriteAsync(PipeWriter writer, CancellationToken cancellationToken)
    {
        await writer.WriteAsync(_json.Written, cancellationToken);
        foreach (var raw in _raw) await raw.WriteAsync(writer, cancellationToken);
    }

    private Problem? WriteJson(Route route, InferRequest request, InferTensors tensors, PredictionWork work)
    {
        var json = work.Json;
        json.Reset(_json);
        json.WriteStartObject();
        if (request.Id is not null) json.WriteString("id"u8, request.Id);
        json.WriteString("model_name"u8, route.Endpoint);
        json.WriteString("model_version"u8, route.Version.ToString(CultureInfo.InvariantCulture));
        json.WriteStartArray("outputs"u8);
        var count = tensors.Outputs?.Count ?? _outputs.Length;
        for (var i = 0; i < count; i++)
        {
            var index = tensors.Outputs is { } asked ? asked[i] : i;
            var name = tensors.Session.Outputs[index].Name;
            var output = _outputs[index];
            json.WriteStartObject();
            json.WriteString("name"u8, name);
            json.WriteString("datatype"u8, Datatypes.NameOf(output.ElementType));
            json.WriteStartArray("shape"u8);
            foreach (var dimension in output.Shape) json.WriteNumberValue(dimension);
            json.WriteEndArray();
            if (request.IsBinary(i))
            {
                var raw = new RawOutput(output);
                _raw.Add(raw);
                json.WriteStartObject("parameters"u8);
                json.WriteNumber("binary_data_size"u8, raw.Size);
                json.WriteEndObject();
            }
            else
            {
                json.WritePropertyName("data"u8);
                if (!TensorData.TryWrite(json, output))
                {
                    _json.Clear();
                    return output.ElementType is TensorElementType.Float16 or TensorElementType.BFloat16
                        ? OpenInferenceProblems.NotInJson(output.ElementType, $"output '{name}'")
                        : OpenInferenceProblems.Invalid(
                            $"output '{name}' has elements that JSON cannot hold (NaN or infinity). Please use the binary data format for it, or leave it out with 'outputs'");
                }
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        return null;
    }
}
