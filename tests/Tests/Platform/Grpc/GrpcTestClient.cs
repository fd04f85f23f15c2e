using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using Atoll.Platform.Grpc;
using Google.Protobuf;

namespace Atoll.Tests.Platform.Grpc;

/// <summary>A gRPC client over HttpClient, small enough to be believed. It shares nothing with the server but the status codes.</summary>
internal sealed class GrpcTestClient(string address, string? credential = null, HttpMessageHandler? handler = null) : IDisposable
{
    private readonly HttpClient _http = new(handler ?? new SocketsHttpHandler()) { BaseAddress = new Uri(address), Timeout = TimeSpan.FromMinutes(2) };

    public static byte[] Frame(ReadOnlySpan<byte> message, string? encoding = null)
    {
        var packed = encoding is null ? message.ToArray() : Pack(message, encoding);
        var frame = new byte[5 + packed.Length];
        frame[0] = encoding is null ? (byte)0 : (byte)1;
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(1), (uint)packed.Length);
        packed.CopyTo(frame, 5);
        return frame;
    }

    public async Task<GrpcTestAnswer> SendAsync(string method, byte[] body, params (string Name, string Value)[] headers)
    {
        using var request = Request(method, new ByteArrayContent(body), headers);
        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        return await GrpcTestAnswer.ReadAsync(response);
    }

    public async Task<(TResponse? Response, GrpcTestAnswer Answer)> CallAsync<TResponse>(string method, IMessage request, params (string Name, string Value)[] headers)
        where TResponse : class, IMessage<TResponse>, new()
    {
        var answer = await SendAsync(method, Frame(request.ToByteArray()), headers);
        return (answer.Messages is [var one] ? new MessageParser<TResponse>(() => new TResponse()).ParseFrom(one) : null, answer);
    }

    /// <summary>A stream both ways. The answer's headers may come only after messages were sent.</summary>
    public GrpcTestStream Open(string method, params (string Name, string Value)[] headers)
    {
        var content = new PipeContent();
        var sent = _http.SendAsync(Request(method, content, headers), HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        return new GrpcTestStream(content, sent);
    }

    public void Dispose() => _http.Dispose();

    internal static byte[] Pack(ReadOnlySpan<byte> message, string encoding)
    {
        using var packed = new MemoryStream();
        using (Stream stream = encoding == "gzip" ? new GZipStream(packed, CompressionMode.Compress) : new ZLibStream(packed, CompressionMode.Compress)) stream.Write(message);
        return packed.ToArray();
    }

    internal static byte[] Unpack(byte[] message, string encoding)
    {
        using Stream stream = encoding == "gzip" ? new GZipStream(new MemoryStream(message), CompressionMode.Decompress) : new ZLibStream(new MemoryStream(message), CompressionMode.Decompress);
        using var unpacked = new MemoryStream();
        stream.CopyTo(unpacked);
        return unpacked.ToArray();
    }

    private HttpRequestMessage Request(string method, HttpContent content, (string Name, string Value)[] headers)
    {
        content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        var request = new HttpRequestMessage(HttpMethod.Post, method) { Content = content, Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Headers.TE.ParseAdd("trailers");
        if (credential is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", credential);
        foreach (var (name, value) in headers)
        {
            if (name == "content-type") content.Headers.ContentType = MediaTypeHeaderValue.Parse(value);
            else request.Headers.TryAddWithoutValidation(name, value);
        }
        return request;
    }

    /// <summary>A request body that is written while the answer is read.</summary>
    internal sealed class PipeContent : HttpContent
    {
        private readonly Pipe _pipe = new();

        public PipeWriter Writer => _pipe.Writer;

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            await stream.FlushAsync(cancellationToken);
            while (true)
            {
                var result = await _pipe.Reader.ReadAsync(cancellationToken);
                foreach (var part in result.Buffer) await stream.WriteAsync(part, cancellationToken);
                _pipe.Reader.AdvanceTo(result.Buffer.End);
                await stream.FlushAsync(cancellationToken);
                if (result.IsCompleted) return;
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}

/// <summary>What came back: messages, headers and trailers together, and the status.</summary>
internal sealed record GrpcTestAnswer(HttpStatusCode Http, StatusCode? Status, string Message, IReadOnlyList<byte[]> Messages, IReadOnlyDictionary<string, string> Metadata)
{
    public static async Task<GrpcTestAnswer> ReadAsync(HttpResponseMessage response)
    {
        var stream = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        var messages = new List<byte[]>();
        if (response.Content.Headers.ContentType?.MediaType == "application/grpc")
        {
            while (await ReadMessageAsync(response, stream) is { } message) messages.Add(message);
        }
        return Of(response, messages);
    }

    public static GrpcTestAnswer Of(HttpResponseMessage response, IReadOnlyList<byte[]> messages)
    {
        var metadata = response.Headers.Concat(response.Content.Headers).Concat(response.TrailingHeaders)
            .ToDictionary(header => header.Key.ToLowerInvariant(), header => string.Join(',', header.Value));
        StatusCode? status = metadata.TryGetValue("grpc-status", out var code) ? (StatusCode)int.Parse(code, CultureInfo.InvariantCulture) : null;
        return new GrpcTestAnswer(response.StatusCode, status, Uri.UnescapeDataString(metadata.GetValueOrDefault("grpc-message", "")), messages, metadata);
    }

    public static async Task<byte[]?> ReadMessageAsync(HttpResponseMessage response, Stream stream)
    {
        var header = new byte[5];
        var length = await stream.ReadAtLeastAsync(header, 5, throwOnEndOfStream: false, TestContext.Current.CancellationToken);
        if (length == 0) return null;
        Assert.Equal(5, length);
        var message = new byte[BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(1))];
        await stream.ReadExactlyAsync(message, TestContext.Current.CancellationToken);
        return header[0] == 0 ? message : GrpcTestClient.Unpack(message, response.Headers.GetValues("grpc-encoding").Single());
    }
}

/// <summary>A call of which both sides are streams.</summary>
internal sealed class GrpcTestStream(GrpcTestClient.PipeContent content, Task<HttpResponseMessage> sent) : IDisposable
{
    private Stream? _body;

    public async Task WriteAsync(IMessage message) => await WriteAsync(GrpcTestClient.Frame(message.ToByteArray()));

    public async Task WriteAsync(byte[] bytes)
    {
        await content.Writer.WriteAsync(bytes, TestContext.Current.CancellationToken);
    }

    public void Complete() => content.Writer.Complete();

    /// <summary>The next message; null at the end.</summary>
    public async Task<T?> ReadAsync<T>() where T : class, IMessage<T>, new()
    {
        var response = await sent;
        _body ??= await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        return await GrpcTestAnswer.ReadMessageAsync(response, _body) is { } message ? new MessageParser<T>(() => new T()).ParseFrom(message) : null;
    }

    /// <summary>After the last message.</summary>
    public async Task<GrpcTestAnswer> EndAsync() => GrpcTestAnswer.Of(await sent, []);

    /// <summary>Goes away without waiting for the end: the stream is reset.</summary>
    public void Dispose()
    {
        content.Writer.Complete();
        if (sent.IsCompletedSuccessfully) sent.GetAwaiter().GetResult().Dispose();
    }
}
