using System.Globalization;
using System.IO.Pipelines;
using System.Text.Json;
using Atoll.Platform.Http;
using Atoll.Serving.Onnx;
using Route = Atoll.Deployments.Route;

namespace Atoll.Prediction.OpenInference;

/// <summary>The answer to an infer request: JSON, then the tensors that were asked for in binary.</summary>
/// <remarks>Used again for other requests, together with their tensors.</remarks>
internal sealed class InferResponse(InferRequest request, InferTensors tensors, PooledBuffer buffer, Utf8JsonWriter json)
{
    private readonly List<RawOutput> _raw = [];

    /// <summary>Sends it, in the encoding that the client wants.</summary>
    public async Task SendAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var length = (long)buffer.Length;
        foreach (var raw in _raw) length += raw.Size;
        context.Response.ContentType = _raw.Count == 0 ? "application/json" : "application/octet-stream";
        if (_raw.Count > 0) context.Response.Headers[BodyEncoding.HeaderLength] = buffer.Length.ToString(CultureInfo.InvariantCulture);
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

    /// <summary>Forgets it.</summary>
    public void Clear()
    {
        foreach (var raw in _raw) raw.Dispose();
        _raw.Clear();
        buffer.Clear();
    }

    private async ValueTask WriteAsync(PipeWriter writer, CancellationToken cancellationToken)
    {
        await writer.WriteAsync(buffer.Written, cancellationToken);
        foreach (var raw in _raw) await raw.WriteAsync(writer, cancellationToken);
    }

    /// <summary>Writes the JSON; or says why an output has none.</summary>
    public Problem? Write(Route route)
    {
        json.Reset(buffer);
        json.WriteStartObject();
        if (request.Id is not null) json.WriteString("id"u8, request.Id);
        json.WriteString("model_name"u8, route.Endpoint);
        json.WriteString("model_version"u8, route.VersionText);
        json.WriteStartArray("outputs"u8);
        var count = tensors.OutputCount;
        for (var i = 0; i < count; i++)
        {
            var index = tensors.OutputAt(i);
            var name = tensors.Session.Outputs[index].Name;
            var output = tensors.Call.Outputs[index];
            json.WriteStartObject();
            TensorData.WriteHead(json, name, output);
            if (tensors.Shared?.PlaceOf(index) is { } place)
            {
                json.WriteStartObject("parameters"u8);
                json.WriteString(SharedPlace.RegionName, place.Region);
                json.WriteNumber(SharedPlace.ByteSizeName, place.ByteSize);
                json.WriteNumber(SharedPlace.OffsetName, place.Offset);
                json.WriteEndObject();
            }
            else if (request.IsBinary(i))
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
                    buffer.Clear();
                    return OpenInferenceProblems.NoJsonForm(output.ElementType, name);
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
