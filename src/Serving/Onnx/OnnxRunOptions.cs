namespace Atoll.Serving.Onnx;

/// <summary>Lets a run be stopped from another thread. One per run at a time.</summary>
internal sealed unsafe class OnnxRunOptions : IDisposable
{
    /// <summary>When its run began, for whoever watches runs.</summary>
    internal long Began;

    private readonly CancellationTokenRegistration _registration;
    private CancellationToken _token;
    private volatile bool _isTerminated;

    public OnnxRunOptions(CancellationToken cancellationToken = default)
    {
        var api = OnnxRuntime.Api;
        nint options;
        api.Check(api.CreateRunOptions(&options));
        Handle = new OrtRunOptionsHandle(options);
        _registration = StopWith(cancellationToken);
    }

    /// <summary>Ties the next run to a token until what this gives is disposed, which waits for a <see cref="Terminate"/> that is under way.</summary>
    public CancellationTokenRegistration StopWith(CancellationToken cancellationToken)
    {
        _token = cancellationToken;
        return cancellationToken.UnsafeRegister(static state => ((OnnxRunOptions)state!).Terminate(), this);
    }

    internal OrtRunOptionsHandle Handle { get; }

    internal bool IsTerminated => _isTerminated;

    internal bool IsDisposed => Handle.IsRetired;

    /// <summary>Somebody looks at <see cref="Began"/>.</summary>
    internal bool IsWatched { get; set; }

    /// <summary>Not to be used again.</summary>
    internal void MarkTerminated() => _isTerminated = true;

    /// <summary>Ends the run unless it is over.</summary>
    internal void TryTerminate()
    {
        _isTerminated = true;
        try
        {
            Terminate();
        }
        catch (ObjectDisposedException)
        {
            // The run ended at this moment, and its options with it.
        }
    }

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
