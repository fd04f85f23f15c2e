using Atoll.Platform.Security;
using Microsoft.Extensions.Options;

namespace Atoll.Platform.Grpc;

/// <summary>A method of a service: answers requests to its route.</summary>
internal abstract partial class GrpcMethod(IServiceProvider services)
{
    /// <summary>Bytes of a message to a method that anybody may call: nobody has to answer for what it costs.</summary>
    public const long AnybodysBytesMax = 16 << 10;

    private readonly long _messageBytesMax = services.GetRequiredService<IOptions<AtollOptions>>().Value.RequestBytesMax;
    private readonly TimeProvider _clock = services.GetRequiredService<TimeProvider>();
    private readonly ILogger _logger = services.GetRequiredService<ILogger<GrpcMethod>>();

    /// <summary>The request is a stream of messages, or the answer is.</summary>
    protected abstract bool IsStream { get; }

    public async Task HandleAsync(HttpContext http)
    {
        if (!GrpcAnswers.IsGrpc(http.Request))
        {
            http.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }
        if (!HttpProtocol.IsHttp2(http.Request.Protocol))
        {
            await GrpcFailures.NeedsHttp2().ToResult().ExecuteAsync(http);
            return;
        }
        try
        {
            using var call = ServerCallContext.Start(http, _clock);
            call.LiftBodyLimits(IsStream, IsForAnybody(http));
            await RunAsync(call);
        }
        catch (RpcException failure)
        {
            GrpcAnswers.Write(http, failure.Status, failure.RetryAfter);
        }
    }

    protected abstract Task AnswerAsync(ServerCallContext call);

    protected GrpcMessageReader<T> Reader<T>(ServerCallContext call, Deserializer<T> deserialize)
    {
        var http = call.GetHttpContext();
        var encoding = EncodingOf(http.Request);
        if (encoding is null || MessageCompression.IsKnown(encoding))
            return new GrpcMessageReader<T>(http.Request.BodyReader, deserialize, encoding, IsForAnybody(http) ? Math.Min(AnybodysBytesMax, _messageBytesMax) : _messageBytesMax);
        call.ResponseTrailers["grpc-accept-encoding"] = MessageCompression.Accepted;
        throw GrpcFailures.UnknownEncoding(encoding);
    }

    /// <summary>Answers are compressed the way the request is, for clients that understand it.</summary>
    protected static GrpcMessageWriter<T> Writer<T>(ServerCallContext call, Serializer<T> serializer)
    {
        var http = call.GetHttpContext();
        var encoding = EncodingOf(http.Request);
        if (encoding is not null)
        {
            var accepted = http.Request.Headers["grpc-accept-encoding"].ToString().Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            if (!accepted.Contains(encoding)) encoding = null;
        }
        return new GrpcMessageWriter<T>(http.Response, serializer, encoding);
    }

    private async Task RunAsync(ServerCallContext call)
    {
        var http = call.GetHttpContext();
        try
        {
            call.CancellationToken.ThrowIfCancellationRequested();
            await AnswerAsync(call);
            call.End(Status.DefaultSuccess, null);
        }
        catch (RpcException failure)
        {
            call.End(failure.Status, failure.RetryAfter);
        }
        catch (Exception failure) when (call.IsDeadlineExceeded && failure is OperationCanceledException or IOException)
        {
            call.End(new Status(StatusCode.DeadlineExceeded, "The deadline has passed."), null);
        }
        catch (Exception failure) when (http.RequestAborted.IsCancellationRequested && failure is OperationCanceledException or IOException)
        {
            // Nobody is left to read an answer.
            http.Features.Set(new GrpcOutcome(StatusCode.Cancelled));
        }
        catch (Exception failure) when (http.Response.HasStarted)
        {
            // The place where exceptions become answers cannot answer any more.
            Log.Failed(_logger, failure, http.Request.Path);
            call.End(new Status(StatusCode.Internal, "The server failed at this request."), null);
        }
    }

    private static bool IsForAnybody(HttpContext http) => http.GetEndpoint()?.Metadata.GetMetadata<OpenToAnybody>() is not null;

    private static string? EncodingOf(HttpRequest request) =>
        request.Headers["grpc-encoding"].ToString() is { Length: > 0 } encoding && encoding != "identity" ? encoding : null;

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Error, "{Path} failed after its answer had begun.")]
        public static partial void Failed(ILogger logger, Exception exception, string path);
    }
}

/// <summary>A message in, a message out.</summary>
internal sealed class UnaryMethod<TService, TRequest, TResponse>(
    IServiceProvider services, Deserializer<TRequest> requests, Serializer<TResponse> responses,
    Func<TService, TRequest, ServerCallContext, Task<TResponse>> handler) : GrpcMethod(services)
    where TService : class
{
    protected override bool IsStream => false;

    protected override async Task AnswerAsync(ServerCallContext call)
    {
        using var reader = Reader(call, requests);
        var request = await reader.ReadSingleAsync(call.CancellationToken);
        var response = await handler(call.GetHttpContext().RequestServices.GetRequiredService<TService>(), request, call);
        using (response as IDisposable) Writer(call, responses).Write(response);
    }
}

/// <summary>Messages in, messages out; streams of one side only are its special cases.</summary>
internal sealed class StreamingMethod<TService, TRequest, TResponse>(
    IServiceProvider services, Deserializer<TRequest> requests, Serializer<TResponse> responses,
    Func<TService, IAsyncStreamReader<TRequest>, IServerStreamWriter<TResponse>, ServerCallContext, Task> handler) : GrpcMethod(services)
    where TService : class
{
    protected override bool IsStream => true;

    protected override async Task AnswerAsync(ServerCallContext call)
    {
        using var reader = Reader(call, requests);
        await handler(call.GetHttpContext().RequestServices.GetRequiredService<TService>(), reader, Writer(call, responses), call);
    }
}
