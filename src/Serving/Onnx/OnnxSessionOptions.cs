namespace Atoll.Serving.Onnx;

/// <summary>How a session is created. The defaults are the leanest: many models live in one process.</summary>
internal sealed record OnnxSessionOptions
{
    public static OnnxSessionOptions Default { get; } = new();

    /// <summary>The model was optimised when it was registered; optimising again would only cost memory and time.</summary>
    public bool Optimized { get; init; }

    /// <summary>Threads that one run may use. More than one gives the session threads of its own: for training, not for serving.</summary>
    public int IntraOpThreads { get; init; } = 1;

    /// <summary>Waiting threads of the session spin for a while. Faster for one busy session, wasteful for all others.</summary>
    public bool Spinning { get; init; }

    /// <summary>Keep intermediate memory for the next run. Pays for large tensors and one hot session (training).</summary>
    public bool MemoryArena { get; init; }

    /// <summary>Plan intermediate memory as one block per input shape. Pays when shapes never change (training).</summary>
    public bool MemoryPattern { get; init; }

    /// <summary>Know the operators of <see cref="Operators.AtollOperators"/>, which serving forms of our own making use.</summary>
    public bool AtollOperators { get; init; }
}
