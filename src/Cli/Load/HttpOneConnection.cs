using System.Buffers.Text;
using System.Text;

namespace Atoll.Cli.Load;

/// <summary>A connection that speaks HTTP/1.1: one request after the other, kept alive.</summary>
internal sealed class HttpOneConnection(LoadLoop loop, Uri server, HttpOneRequests requests) : LoadConnection(loop, server)
{
    private Part _part;
    private long _remaining;
    private int _status;
    private bool _closes;
    private long _due;

    public override bool HasRoom => InFlight == 0 && Socket is not null;

    /// <summary>What of an answer is read next.</summary>
    private enum Part
    {
        Head,
        Body,
        ChunkSize,
        Chunk,
        Trailers,
    }

    public override void Start(int tenant, int model, long due)
    {
        InFlight = 1;
        _due = due;
        requests.Write(Reserve(requests.LengthOf(tenant, model)), tenant, model);
    }

    protected override void Greet() => _part = Part.Head;

    protected override void Abandon(string reason)
    {
        if (InFlight > 0) Loop.Fail(_due, reason);
    }

    protected override int Read(ReadOnlySpan<byte> bytes)
    {
        var at = 0;
        while (at < bytes.Length)
        {
            var rest = bytes[at..];
            switch (_part)
            {
                case Part.Head:
                    var end = rest.IndexOf("\r\n\r\n"u8);
                    if (end < 0) return at;
                    if (InFlight == 0 || !ReadHead(rest[..(end + 2)]))
                    {
                        Close("not an answer of HTTP/1.1");
                        return at;
                    }
                    at += end + 4;
                    if (_part == Part.Body && _remaining == 0) End();
                    break;
                case Part.Body:
                case Part.Chunk:
                    var taken = (int)Math.Min(_remaining, rest.Length);
                    if (_status >= 300) Loop.Quote(rest[..taken]);
                    at += taken;
                    _remaining -= taken;
                    if (_remaining > 0) return at;
                    if (_part == Part.Body) End();
                    else _part = Part.ChunkSize;
                    break;
                default:
                    var line = rest.IndexOf("\r\n"u8);
                    if (line < 0) return at;
                    at += line + 2;
                    // The line that ends a chunk's data is empty.
                    if (_part == Part.Trailers && line == 0) End();
                    else if (_part == Part.ChunkSize && line > 0)
                    {
                        if (!Utf8Parser.TryParse(rest[..line], out _remaining, out _, 'x'))
                        {
                            Close("not an answer of HTTP/1.1");
                            return at;
                        }
                        _part = _remaining == 0 ? Part.Trailers : Part.Chunk;
                    }
                    break;
            }
            if (Socket is null) return at;
        }
        return at;
    }

    private void End()
    {
        _part = Part.Head;
        InFlight = 0;
        if (_status is >= 200 and < 300) Loop.Succeed(_due);
        else Loop.Fail(_due, _status);
        if (_closes) Close(ConnectionLost);
    }

    private bool ReadHead(ReadOnlySpan<byte> head)
    {
        if (!head.StartsWith("HTTP/1."u8) || head.Length < 12 || !Utf8Parser.TryParse(head[9..12], out _status, out int digits) || digits != 3) return false;
        _closes = false;
        _part = Part.Body;
        _remaining = -1;
        for (head = head[(head.IndexOf((byte)'\n') + 1)..]; head.Length > 0; head = head[(head.IndexOf((byte)'\n') + 1)..])
        {
            var line = head[..head.IndexOf((byte)'\r')];
            if (Is(line, "content-length:"u8))
            {
                if (!Utf8Parser.TryParse(line[15..].TrimStart((byte)' '), out _remaining, out _)) return false;
            }
            else if (Is(line, "transfer-encoding:"u8)) _part = Part.ChunkSize;
            else if (Is(line, "connection:"u8)) _closes = Ascii.EqualsIgnoreCase(line[11..].Trim((byte)' '), "close"u8);
        }
        if (_status is 204 or 304) _remaining = 0;
        return _part == Part.ChunkSize || _remaining >= 0;
    }

    private static bool Is(ReadOnlySpan<byte> line, ReadOnlySpan<byte> name) => line.Length >= name.Length && Ascii.EqualsIgnoreCase(line[..name.Length], name);
}

/// <summary>Requests of HTTP/1.1, made beforehand but for the tenant and the model.</summary>
internal sealed class HttpOneRequests
{
    private readonly byte[] _start;
    private readonly byte[] _afterModel;
    private readonly byte[] _end;
    private readonly byte[][] _models;
    private readonly byte[][] _credentials;

    public HttpOneRequests(LoadPlan plan)
    {
        var (before, after) = RequestPath.Around(plan.Protocol);
        var binary = plan.Body.JsonBytes is { } length ? $"Inference-Header-Content-Length: {length}\r\n" : "";
        _start = Encoding.ASCII.GetBytes($"POST {before}");
        _afterModel = Encoding.ASCII.GetBytes(
            $"{after} HTTP/1.1\r\nHost: {plan.Server.IdnHost}:{plan.Server.Port}\r\nContent-Type: {plan.Body.ContentType}\r\nContent-Length: {plan.Body.Bytes.Length}\r\n{binary}");
        _end = [.. "\r\n"u8, .. plan.Body.Bytes];
        _models = [.. plan.Models.Select(model => Encoding.ASCII.GetBytes(Uri.EscapeDataString(model)))];
        _credentials = [.. plan.Credentials.Select(credential => credential is null ? [] : Encoding.ASCII.GetBytes($"Authorization: Bearer {credential}\r\n"))];
    }

    public int LengthOf(int tenant, int model) => _start.Length + _models[model].Length + _afterModel.Length + _credentials[tenant].Length + _end.Length;

    public void Write(Span<byte> target, int tenant, int model)
    {
        foreach (var part in (ReadOnlySpan<byte[]>)[_start, _models[model], _afterModel, _credentials[tenant], _end])
        {
            part.CopyTo(target);
            target = target[part.Length..];
        }
    }
}

/// <summary>Addresses of predictions.</summary>
internal static class RequestPath
{
    /// <summary>What stands before and behind the model's name.</summary>
    public static (string Before, string After) Around(LoadProtocol protocol) => protocol switch
    {
        LoadProtocol.Predict => ("/api/v1/endpoints/", ":predict"),
        LoadProtocol.Grpc => ("/inference.GRPCInferenceService/ModelInfer", ""),
        _ => ("/v2/models/", "/infer"),
    };
}
