using System.Buffers;
using System.Globalization;
using System.Diagnostics;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform.Grpc;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Prediction.OpenInference;
using Atoll.Prediction.OpenInference.Grpc;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Microsoft.Extensions.Options;
using Route = Atoll.Deployments.Route;

namespace Atoll.Prediction;

/// <summary>Answers a prediction at once where everything that it needs is in memory: caller, route, model, and a place to run.</summary>
/// <remarks>
/// Whatever is not as simple as that (a bad request, a model on disk, a queue, a header that few send) goes the long way through routes and handlers,
/// from the beginning, and gets its answer there. What it tells itself is only what cannot be asked again, as the model has run, and that a tenant
/// is above its limits: who floods is sent away cheaply. docs/decisions/0009-express-lane.md says what this is worth.
/// </remarks>
internal sealed class ExpressLane(
    RequestDelegate next, IRememberedCallers callers, RouteTable routes, ServedModels models, PredictionRunner runner, IOptions<PredictionOptions> options,
    EndpointDataSource endpoints, TimeProvider clock)
{
    private const int BodyBytesMax = 1 << 20;
    private const string GrpcPath = "/inference.GRPCInferenceService/ModelInfer";
    private const string InferPrefix = "/v2/models/";
    private const string InferSuffix = "/infer";
    private const string PredictPrefix = "/api/v1/endpoints/";
    private const string PredictSuffix = ":predict";

    // Shorter ones are watched closely, which costs more.
    private static readonly TimeSpan TimeoutLeast = TimeSpan.FromMilliseconds(100);

    private RouteEndpoint?[]? _routes;

    private enum Door
    {
        None,
        Predict,
        Infer,
        Grpc,
    }

    public Task InvokeAsync(HttpContext context)
    {
        var address = AddressOf(context);
        if (address.Door == Door.None || !IsPlain(context.Request, address.Door)) return next(context);
        return callers.Find(context) is { } caller && caller.Permissions.Contains(Permissions.Predict) ? AnswerAsync(context, address, caller) : next(context);
    }

    private async Task AnswerAsync(HttpContext context, Address address, Caller caller)
    {
        var body = context.Request.BodyReader;
        var read = await body.ReadAsync(CancellationToken.None);
        while (!read.IsCompleted && read.Buffer.Length <= BodyBytesMax)
        {
            body.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            read = await body.ReadAsync(CancellationToken.None);
        }
        using (var rented = PredictionWork.Rent())
        {
            Problem? problem = null;
            if (read.IsCompleted && TryAnswer(context.Response, address, caller.TenantId, read.Buffer, rented.Work, out problem))
            {
                body.AdvanceTo(read.Buffer.End);

                // For logs, metrics and traces, which name the route.
                context.SetEndpoint(RouteOf(address.Door));
                if (problem is not null)
                {
                    context.Features.Set(caller);
                    await RefuseAsync(context, address.Door, problem);
                }
                else if (address.Door == Door.Infer) await rented.Work.InferResponse.SendAsync(context, CancellationToken.None);
                return;
            }
        }

        // Nothing was taken out of the body, so that it is read again. All of it was seen: to unsee it would confuse the flow control of HTTP/2.
        body.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        await next(context);
    }

    /// <param name="problem">Why there is no answer: the tenant is above its limits, or the model has run and does not run again on the long way.</param>
    private bool TryAnswer(HttpResponse response, Address address, string tenantId, ReadOnlySequence<byte> body, PredictionWork work, out Problem? problem)
    {
        problem = null;
        var (model, version) = (address.Model, address.Version);
        if (address.Door == Door.Grpc && !TryReadGrpc(body, work.InferMessage, out model, out version)) return false;
        if (routes.FindKnown(tenantId, model, version) is not { Sampling: null, Signature.Steps: null } route || !models.TryGet(route, out var lease)) return false;
        using (lease)
        {
            try
            {
                return address.Door switch
                {
                    Door.Predict => TryPredict(response, route, lease, work, body, out problem),
                    Door.Infer => TryInfer(response.HttpContext.Request, route, lease, work, body, out problem),
                    _ => TryInferGrpc(response, route, lease, work, out problem),
                };
            }
            catch (TimeoutException)
            {
                problem = runner.TookTooLong;
                return true;
            }
        }
    }

    private static async Task RefuseAsync(HttpContext context, Door door, Problem problem)
    {
        if (door == Door.Grpc) GrpcAnswers.Write(context, Status.Of(problem), problem.RetryAfter);
        else await ProblemWriter.WriteAsync(context, problem);
    }

    private bool TryPredict(HttpResponse response, Route route, in ModelLease lease, PredictionWork work, ReadOnlySequence<byte> body, out Problem? problem)
    {
        problem = null;
        var plan = SamplePlan.Of(route);
        if (!plan.CanRead) return false;
        var reader = new JsonSampleReader(plan, options.Value, ignoreUnknown: false, work.Samples);
        if (reader.Read(body) is not null || reader.Explain is not null) return false;
        work.Top = reader.Top;
        if (!runner.TryRunNow(lease.Session, plan, work, out problem)) return false;
        if (problem is not null) return true;
        response.ContentType = "application/json";
        response.ContentLength = work.Answer.Length;
        response.BodyWriter.Write(work.Answer.Written.Span);
        return true;
    }

    private bool TryInfer(HttpRequest request, Route route, in ModelLease lease, PredictionWork work, ReadOnlySequence<byte> body, out Problem? problem)
    {
        problem = null;
        var began = clock.GetTimestamp();
        var tensors = work.Tensors.Begin(route.Endpoint, lease.Session, route.Signature.Labels);
        if (Infer.Read(request, body, work.InferRequest, isPlain: true) is not null || work.InferRequest.Timeout < TimeoutLeast) return false;
        if (!runner.TryRunNow(route.TenantId, tensors.Call, out problem, out var run)) return false;
        if (problem is not null) return true;
        problem = tensors.Classify() ?? work.InferResponse.Write(route);
        runner.CountAtOnce(tensors.Call, began, run, problem);
        return true;
    }

    private static bool TryReadGrpc(ReadOnlySequence<byte> body, InferMessage message, out string model, out string? version)
    {
        (model, version) = ("", null);
        if (!GrpcFrame.TryUnwrap(body, out var bytes)) return false;
        try
        {
            message.Fill(bytes);
        }
        catch (RpcException)
        {
            return false;
        }
        model = message.ModelName;
        if (message.ModelVersion.Length > 0) version = message.ModelVersion;

        // Aliases are routes too, but no versions of the protocol.
        return version is null || (version[0] != '0' && int.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out _));
    }

    private bool TryInferGrpc(HttpResponse response, Route route, in ModelLease lease, PredictionWork work, out Problem? problem)
    {
        problem = null;
        var began = clock.GetTimestamp();
        var tensors = work.Tensors.Begin(route.Endpoint, lease.Session, route.Signature.Labels);
        try
        {
            if (InferMessageTensors.Read(work.InferMessage, tensors) is not null || InferParameters.TimeoutOf(work.InferMessage) < TimeoutLeast) return false;
        }
        catch (RpcException)
        {
            return false;
        }
        if (!runner.TryRunNow(route.TenantId, tensors.Call, out problem, out var run)) return false;
        if (problem is not null) return true;
        problem = tensors.Classify();
        if (problem is not null)
        {
            runner.CountAtOnce(tensors.Call, began, run, problem);
            return true;
        }
        var answer = work.InferAnswer.Begin(route.Endpoint, route.VersionText, work.InferMessage.Id, tensors);
        GrpcFrame.Write(work.Answer, isCompressed: false, checked((int)answer.Size()));
        answer.WriteTo(work.Answer);
        response.ContentType = GrpcAnswers.ContentType;
        response.BodyWriter.Write(work.Answer.Written.Span);
        GrpcAnswers.Write(response.HttpContext, Status.DefaultSuccess);
        runner.CountAtOnce(tensors.Call, began, run, problem: null);
        return true;
    }

    private RouteEndpoint? RouteOf(Door door)
    {
        _routes ??= [.. ((string[])["", PredictPrefix + "{endpoint}" + PredictSuffix, InferPrefix + "{model}" + InferSuffix, GrpcPath]).Select(pattern => endpoints.Endpoints.OfType<RouteEndpoint>()
            .FirstOrDefault(route => "/" + route.RoutePattern.RawText!.Trim('/') == pattern && route.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods.Contains("POST") == true))];
        return _routes[(int)door];
    }

    /// <summary>Nothing about the request asks for more than its answer.</summary>
    private static bool IsPlain(HttpRequest request, Door door)
    {
        var headers = request.Headers;
        if (request.QueryString.HasValue || request.ContentLength > BodyBytesMax || headers.ContentEncoding.Count > 0
            || headers.ContainsKey(RepeatableRoutes.Header) || Activity.Current is { IsAllDataRequested: true }) return false;
        return door switch
        {
            Door.Grpc => HttpProtocol.IsHttp2(request.Protocol) && GrpcAnswers.IsGrpc(request)
                && (headers.GrpcEncoding.Count == 0 || headers.GrpcEncoding == "identity")
                && (headers.GrpcTimeout.Count == 0 || (GrpcTimeout.TryParse(headers.GrpcTimeout.ToString(), out var timeout) && timeout >= TimeoutLeast)),
            Door.Predict => IsJson(request.ContentType),
            _ => request.ContentType is null or "application/octet-stream" || IsJson(request.ContentType),
        };
    }

    private static bool IsJson(string? type) =>
        type is not null && (type.Equals("application/json", StringComparison.OrdinalIgnoreCase) || type.Equals("application/json; charset=utf-8", StringComparison.OrdinalIgnoreCase));

    private static Address AddressOf(HttpContext context)
    {
        var request = context.Request;
        if (!HttpMethods.IsPost(request.Method) || request.Path.Value is not { } path) return Address.Other;
        var memory = ConnectionMemory.Of(context);
        if (memory?.Address is Address last && last.Path == path) return last;
        var address = Address.Parse(path);
        if (memory is not null) memory.Address = address;
        return address;
    }

    /// <summary>What a path asks for.</summary>
    private sealed record Address(string Path, Door Door, string Model, string? Version)
    {
        public static readonly Address Other = new("", Door.None, "", null);

        public static Address Parse(string path)
        {
            if (path == GrpcPath) return new Address(path, Door.Grpc, "", null);
            if (Middle(path, PredictPrefix, PredictSuffix) is { } endpoint) return new Address(path, Door.Predict, endpoint, null);
            return Middle(path, InferPrefix, InferSuffix) is { } model ? new Address(path, Door.Infer, model, null) : new Address(path, Door.None, "", null);
        }

        private static string? Middle(string path, string prefix, string suffix)
        {
            if (path.Length <= prefix.Length + suffix.Length || !path.StartsWith(prefix, StringComparison.Ordinal) || !path.EndsWith(suffix, StringComparison.Ordinal)) return null;
            var middle = path[prefix.Length..^suffix.Length];
            return middle.Contains('/', StringComparison.Ordinal) ? null : middle;
        }
    }
}
