namespace Atoll.Serving.Onnx;

/// <summary>The tensors and the options of one run of a model at a time. Rented, and kept after a request for the model's next one, which then needs no memory.</summary>
/// <remarks>
/// A tensor is used again where its shape is the same. That of an output is not known before a run, but mostly it is the same when those of the
/// inputs are. ONNX Runtime refuses to fill an output of another shape, so nothing is lost by trying: the model runs again, and never into old outputs from then on.
/// </remarks>
internal sealed class OnnxCall : IDisposable
{
    // Together some megabytes, however many models are in memory.
    private const int KeptMax = 1024;
    private const int KeptBytesMax = 16 * 1024;
    private const int KeptOfModelMax = 4;
    private const int StringBytes = 64;

    private static readonly OnnxCall?[] Kept = new OnnxCall?[KeptMax];

    private readonly OnnxTensor?[] _inputs;
    private readonly OnnxTensor?[] _outputs;
    private readonly bool[] _given;
    private OnnxRunOptions? _options;
    private bool _hasOutputs;
    private bool _isReplaced;

    private OnnxCall(OnnxSession session)
    {
        Session = session;
        _inputs = new OnnxTensor?[session.Inputs.Count];
        _given = new bool[_inputs.Length];
        _outputs = new OnnxTensor?[session.Outputs.Count];
    }

    public OnnxSession Session { get; }

    /// <summary>In the order of the model's inputs; complete once each was allocated.</summary>
    public ReadOnlySpan<OnnxTensor> Inputs => (OnnxTensor[])_inputs!;

    /// <summary>What the last run gave, in the order of the model's outputs. They stay the call's.</summary>
    public ReadOnlySpan<OnnxTensor> Outputs => _hasOutputs ? (OnnxTensor[])_outputs! : throw new InvalidOperationException("The model has not run yet.");

    /// <summary>Stops the run from elsewhere.</summary>
    public OnnxRunOptions Options => _options ??= new OnnxRunOptions();

    /// <summary>One that is nobody else's until it is disposed.</summary>
    public static OnnxCall Rent(OnnxSession session)
    {
        var first = FirstOf(session);
        for (var i = first; i < first + KeptOfModelMax; i++)
        {
            var kept = Volatile.Read(ref Kept[i]);
            if (kept?.Session == session && Interlocked.CompareExchange(ref Kept[i], null, kept) == kept) return kept;
        }
        return new OnnxCall(session);
    }

    /// <summary>Whether the input was allocated for this run.</summary>
    public bool Has(int input) => _given[input];

    /// <summary>Memory for an input. What is in it is anything, except that texts are empty.</summary>
    public OnnxTensor Allocate(int input, params ReadOnlySpan<long> shape)
    {
        var tensor = _inputs[input];
        if (tensor is null || !shape.SequenceEqual(tensor.Shape))
        {
            // Outputs will have other shapes.
            DropOutputs();
            tensor?.Dispose();
            _inputs[input] = null;
            _inputs[input] = tensor = OnnxTensor.Allocate(Session.Inputs[input].Type, shape);
        }
        else if (tensor.ElementType == TensorElementType.String)
        {
            tensor.ClearStrings();
        }
        _given[input] = true;
        return tensor;
    }

    /// <summary>Runs the model; its outputs are in <see cref="Outputs"/> until the next run.</summary>
    public void Run()
    {
        _hasOutputs = false;
        var isFirst = _outputs.Length == 0 || _outputs[0] is null;
        try
        {
            Session.RunInto(Inputs, _outputs, _options);
        }
        catch (OnnxException) when (!isFirst)
        {
            DropOutputs();
            Session.RunInto(Inputs, _outputs, _options);
            Session.HasFreeOutputs = true;
        }
        _hasOutputs = true;
    }

    /// <summary>Memory for an output of a run that happened elsewhere; all are to be filled.</summary>
    public OnnxTensor AllocateOutput(int output, ReadOnlySpan<long> shape)
    {
        var tensor = _outputs[output];
        if (tensor is null || !shape.SequenceEqual(tensor.Shape))
        {
            tensor?.Dispose();
            _outputs[output] = null;
            _outputs[output] = tensor = OnnxTensor.Allocate(Session.Outputs[output].Type, shape);
        }
        _hasOutputs = output == _outputs.Length - 1;
        return tensor;
    }

    /// <summary>Puts another tensor in the place of an output; it becomes the call's.</summary>
    public void Replace(int output, OnnxTensor tensor)
    {
        _outputs[output]!.Dispose();
        _outputs[output] = tensor;
        _isReplaced = true;
    }

    /// <summary>Makes outputs of the last run inputs of the next one; the memory of those inputs is the outputs' then.</summary>
    public void Feed(ReadOnlySpan<(int Input, int Output)> states)
    {
        foreach (var (input, output) in states) (_inputs[input], _outputs[output]) = (_outputs[output], _inputs[input]);
        _hasOutputs = false;
        if (_isReplaced || Session.HasFreeOutputs) DropOutputs();
        _isReplaced = false;
    }

    /// <summary>Forgets what was given, before another run of the same request.</summary>
    public void Clear()
    {
        Array.Clear(_given);
        _hasOutputs = false;
        if (_isReplaced || Session.HasFreeOutputs) DropOutputs();
        _isReplaced = false;
    }

    public void Dispose()
    {
        Clear();
        if (_options is { IsTerminated: true } || Session.IsDisposed || Bytes() > KeptBytesMax)
        {
            Free();
            return;
        }
        var first = FirstOf(Session);
        for (var i = first; i < first + KeptOfModelMax; i++)
        {
            if (Kept[i] is null && Interlocked.CompareExchange(ref Kept[i], this, null) is null) return;
        }
        Interlocked.Exchange(ref Kept[first], this)?.Free();
    }

    private static int FirstOf(OnnxSession session) => (int)((uint)session.Number % (KeptMax / KeptOfModelMax)) * KeptOfModelMax;

    private long Bytes()
    {
        long bytes = 0;
        foreach (var tensor in _inputs) bytes += BytesOf(tensor);
        foreach (var tensor in _outputs) bytes += BytesOf(tensor);
        return bytes;

        static long BytesOf(OnnxTensor? tensor) => tensor is null ? 0
            : tensor.ElementType == TensorElementType.String ? tensor.Count * (long)(tensor.LongestText + StringBytes)
            : tensor.Count * (long)TensorElements.Size(tensor.ElementType);
    }

    private void DropOutputs()
    {
        _hasOutputs = false;
        for (var i = 0; i < _outputs.Length; i++)
        {
            _outputs[i]?.Dispose();
            _outputs[i] = null;
        }
    }

    private void Free()
    {
        DropOutputs();
        foreach (var tensor in _inputs) tensor?.Dispose();
        _options?.Dispose();
    }
}
