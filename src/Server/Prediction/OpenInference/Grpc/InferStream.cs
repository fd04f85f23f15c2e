using System.Runtime.ExceptionServices;
using Atoll.Platform.Grpc;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Serving;
using Route = Atoll.Deployments.Route;

namespace Atoll.Prediction.OpenInference.Grpc;

/// <summary>
/// One call of <c>ModelStreamInfer</c>. Some of its requests are worked on at the same time; models that answer once answer in the order of the requests, the answers
/// of the others come as they are made, and the request's id tells them apart. So does Triton.
/// </summary>
internal sealed class InferStream(
    InferenceRunner runner, ModelAnswers modelAnswers, ICallerCheck check, IServerStreamWriter<StreamAnswer> answers, ServerCallContext context) : IDisposable
{
    // More would let one client hold more models and tensors in memory than it can be sent answers.
    private const int InFlightMax = 8;

    // What takes less is done before another thread would have begun.
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(0.2);

    private readonly SemaphoreSlim _places = new(InFlightMax);
    private readonly SemaphoreSlim _sending = new(1);
    private readonly CancellationTokenSource _end = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);

    // What is wrong with a request is an answer, unless the client wants errors of gRPC.
    private readonly bool _endsAtErrors = string.Equals(context.RequestHeaders["triton_grpc_error"], "true", StringComparison.OrdinalIgnoreCase);
    private ExceptionDispatchInfo? _failure;

    public async Task RunAsync(IAsyncStreamReader<InferMessage> requests)
    {
        var before = Task.CompletedTask;
        var held = 0;
        try
        {
            while (await requests.MoveNext(_end.Token))
            {
                // The credential was looked at when the stream was opened, which may be long ago.
                await CheckCallerAsync();
                await _places.WaitAsync(_end.Token);
                held = 1;
                var request = await ReadAsync(requests.Current);
                held = 0;

                // Each ends by giving its place back, so that all have ended when all places are free.
                var isOrdered = request.Route?.Signature.Steps is null;
                var work = request.Route is null || (isOrdered && request.Lease.Session.MeanTime < Short) ? AnswerAsync(request, before) : StartAsync(request, before);
                if (isOrdered) before = work;
            }
        }
        catch (Exception failure)
        {
            Fail(failure);
        }
        for (; held < InFlightMax; held++) await _places.WaitAsync(CancellationToken.None);
        _failure?.Throw();
    }

    public void Dispose()
    {
        _end.Dispose();
        _places.Dispose();
        _sending.Dispose();
    }

    private Task StartAsync(Request request, Task before) => Task.Run(() => AnswerAsync(request, before), CancellationToken.None);

    /// <summary>Takes what it needs out of a message, whose bytes are gone when the next one is read.</summary>
    private async ValueTask<Request> ReadAsync(InferMessage message)
    {
        try
        {
            return await LeaseAndReadAsync(message);
        }
        catch (Exception failure) when (IsOfRequest(failure))
        {
            return new Request(message.Id) { Problem = Explain(failure) };
        }
    }

    private async ValueTask<Request> LeaseAndReadAsync(InferMessage message)
    {
        var tenantId = GrpcInference.TenantOf(context);
        var (route, problem) = await runner.FindAsync(tenantId, message.ModelName, GrpcInference.VersionOf(message.ModelVersion), _end.Token);
        if (route is null) return new Request(message.Id) { Problem = problem };
        var (lease, full) = await runner.LeaseAsync(route, _end.Token);
        if (full is not null) return new Request(message.Id) { Problem = full };
        var tensors = new InferTensors().Begin(route.Endpoint, lease.Session, route.Signature.Labels, runner.Shared.Of(tenantId));
        try
        {
            problem = InferMessageTensors.Read(message, tensors) ?? ModelAnswers.Prepare(route, tensors);
            return new Request(message.Id)
            {
                Problem = problem,
                Route = route,
                Lease = lease,
                Tensors = tensors,
                Timeout = InferParameters.TimeoutOf(message),
                StepsMax = InferParameters.StepsMaxOf(message),
                EndsEmpty = InferParameters.Find(message, "triton_enable_empty_final_response") is { BoolParam: true },
            };
        }
        catch
        {
            tensors.Dispose();
            lease.Dispose();
            throw;
        }
    }

    /// <param name="before">The request whose answer has to be sent first.</param>
    private async Task AnswerAsync(Request request, Task before)
    {
        try
        {
            using (request)
            {
                try
                {
                    if (request.Problem is null) await AnswerAllAsync(request, before);
                    else await RefuseAsync(request, request.Problem, before);
                }
                catch (Exception failure) when (IsOfRequest(failure))
                {
                    await RefuseAsync(request, Explain(failure), request.Route?.Signature.Steps is null ? before : Task.CompletedTask);
                }
            }
        }
        catch (Exception failure)
        {
            Fail(failure);
        }
        finally
        {
            _places.Release();
        }
    }

    private async Task AnswerAllAsync(Request request, Task before)
    {
        var (route, hasMany) = (request.Route!, request.Route!.Signature.Steps is not null);
        var timeout = request.Timeout ?? (context.TimeLeft == Timeout.InfiniteTimeSpan ? null : context.TimeLeft);
        var isFirst = true;
        await foreach (var answer in modelAnswers.RunAsync(route, request.Tensors!, request.StepsMax, timeout, _end.Token))
        {
            if (answer.Problem is { } problem)
            {
                await RefuseAsync(request, problem, hasMany ? Task.CompletedTask : before);
                return;
            }
            LoggedPrediction.Keep(context.GetHttpContext(), route, request.Tensors!);
            if (!isFirst) await CheckCallerAsync();
            isFirst = false;
            await SendAsync(new InferAnswer { IsFinalOfStream = answer.IsLast && !(hasMany && request.EndsEmpty), KeepsTensors = true }.Begin(route.Endpoint, route.VersionText, request.Id, request.Tensors));
        }
        if (hasMany && request.EndsEmpty) await SendAsync(new InferAnswer { IsFinalOfStream = true }.Begin(route.Endpoint, route.VersionText, request.Id, null));

        async Task SendAsync(InferAnswer answer)
        {
            using var sent = new StreamAnswer(answer, "", request.Id);
            if (!hasMany)
            {
                // A client that does not read holds the bytes of its answer, but neither the model nor its tensors.
                sent.Detach();
                request.Dispose();
                await before;
            }
            await this.SendAsync(sent);
        }
    }

    private async Task RefuseAsync(Request request, Problem problem, Task before)
    {
        // There is nothing to send of the model any more.
        request.Dispose();
        await before;
        if (_endsAtErrors) throw new RpcException(problem);
        await SendAsync(new StreamAnswer(null, Status.Of(problem).Detail, request.Id));
    }

    private async Task SendAsync(StreamAnswer answer)
    {
        await _sending.WaitAsync(_end.Token);
        try
        {
            // Not cancelled: that would reset the stream, and the client would not read how it ended. One that goes away, or reads too slowly, ends the write as well.
            await answers.WriteAsync(answer, CancellationToken.None);
        }
        catch (Exception failure)
        {
            // Part of the answer may be on its way: no other can follow.
            Fail(failure);
            throw;
        }
        finally
        {
            _sending.Release();
        }
    }

    // What fails one request, such as a damaged model, is no matter of the stream's others.
    private bool IsOfRequest(Exception failure) => failure is not (OperationCanceledException or RpcException) && _failure is null;

    private Problem Explain(Exception failure)
    {
        var http = context.GetHttpContext();
        return ErrorHandling.Explain(http.RequestServices.GetRequiredService<ILogger<ErrorHandling>>(), http, failure);
    }

    private async ValueTask CheckCallerAsync()
    {
        if (!await check.IsStillGoodAsync(context.GetHttpContext(), _end.Token))
            throw new RpcException(new Status(StatusCode.Unauthenticated, "The credential of this stream was revoked, has expired, or has lost the permission."));
    }

    /// <summary>Ends the stream with the first thing that went wrong; what comes of that elsewhere says nothing new.</summary>
    private void Fail(Exception failure)
    {
        Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(failure), null);
        _end.Cancel();
    }

    /// <summary>A request that was read, or what is wrong with it.</summary>
    private sealed class Request(string id) : IDisposable
    {
        private bool _isDisposed;

        public string Id => id;

        public Problem? Problem { get; init; }

        public Route? Route { get; init; }

        public ModelLease Lease { get; init; }

        public InferTensors? Tensors { get; init; }

        public TimeSpan? Timeout { get; init; }

        public long? StepsMax { get; init; }

        /// <summary>The client waits for an answer without outputs at the end.</summary>
        public bool EndsEmpty { get; init; }

        public void Dispose()
        {
            // The lease ends exactly once, mostly before the answer is sent.
            if (_isDisposed) return;
            _isDisposed = true;
            Tensors?.Dispose();
            if (Route is not null) Lease.Dispose();
        }
    }
}
