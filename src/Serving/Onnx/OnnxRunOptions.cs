namespace Atoll.Serving.Onnx;

/// <summary>Lets a run be stopped from another thread. One per run at a time.</summary>
internal sealed unsafe class OnnxRunOptions : IDisposable
{
    private readonly CancellationToken _token;
    private readonly CancellationTokenRegistration _registration;
    private volatile bool _isTerminated;

    public OnnxRunOptions(CancellationToken cancellationToken = default)
    {
        var api = OnnxRuntime.Api;
        nint options;
        api.Check(api.CreateRunOptions(&options));
        Handle = new OrtRunOptionsHandle(options);
        _token = cancellationToken;
        _registration = cancellationToken.UnsafeRegister(static state => ((OnnxRunOptions)state!).Terminate(), this);
    }

    internal OrtRunOptionsHandle Handle { get; }

    internal bool IsTerminated => _isTerminated;

    /// <summary>Makes the run end before its next operator; it throws <see cref="OperationCanceledException"/>.</summary>
    public void Terminate()
    {
        var native = Handle.Hold();
        try
        {
            _isTerminated = true;
            var api = OnnxRuntime.Api;
            api.Check(api.RunOptionsSetTerminate(native));
        }
        finally
        {
            Handle.DangerousRelease();
        }
    }

    internal OperationCanceledException ToException() => new("The run was stopped.", _token);

    public void Dispose()
    {
        // Waits for a Terminate that is under way.
        _registration.Dispose();
        Handle.Retire();
    }
}
