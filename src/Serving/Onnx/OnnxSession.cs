using System.Runtime.InteropServices;
using System.Text;

namespace Atoll.Serving.Onnx;

/// <summary>A loaded model. Runs may happen on many threads at once; disposing waits for none of them and harms none.</summary>
/// <remarks>
/// It has a native session of its own, or shares that of a graph and adds weights of its own to every run (<see cref="Bind"/>).
/// </remarks>
internal sealed unsafe class OnnxSession : IDisposable
{
    // Beyond this many tensors pointers go to the heap.
    private const int TensorsOnStackMax = 512;

    private readonly OrtApi _api;
    private readonly OrtSessionHandle _handle;
    private readonly OnnxValueInfo[] _inputs;
    private readonly OnnxValueInfo[] _outputs;
    private readonly OrtWeightsHandle? _weights;

    private static int _numbers;

    // Made at the first run: most of many models are never asked.
    private RunStatistics? _statistics;
    private BatchLine? _line;
    private long _meanTicks;

    private OnnxSession(OnnxSession graph, OnnxValueInfo[] inputs, OnnxValueInfo[] outputs, OrtWeightsHandle weights)
    {
        _api = graph._api;
        _handle = graph._handle;
        _inputs = inputs;
        _outputs = outputs;
        _weights = weights;
    }

    private OnnxSession(OrtApi api, OrtSessionHandle handle)
    {
        _api = api;
        _handle = handle;
        _inputs = ReadInfo(api.SessionGetInputCount, api.SessionGetInputName, api.SessionGetInputTypeInfo);
        _outputs = ReadInfo(api.SessionGetOutputCount, api.SessionGetOutputName, api.SessionGetOutputTypeInfo);
        _handle.InputNames = ToNative(_inputs);
        _handle.OutputNames = ToNative(_outputs);
    }

    /// <summary>Another one for each session, in the order of loading.</summary>
    public int Number { get; } = Interlocked.Increment(ref _numbers);

    /// <summary>Requests to it that wait, to run together.</summary>
    public BatchLine Line => _line ?? Interlocked.CompareExchange(ref _line, new BatchLine(), null) ?? _line!;

    /// <summary>The shapes of its outputs do not follow from those of its inputs, so that memory for them cannot be kept.</summary>
    public bool HasFreeOutputs { get; set; }

    public IReadOnlyList<OnnxValueInfo> Inputs => _inputs;

    public IReadOnlyList<OnnxValueInfo> Outputs => _outputs;

    /// <summary>What was asked of it; whoever runs it counts here, since only they know what a run was for.</summary>
    public RunStatistics Statistics => _statistics ?? Interlocked.CompareExchange(ref _statistics, new RunStatistics(), null) ?? _statistics!;

    /// <summary>Loads a model from the bytes of an <c>.onnx</c> or <c>.ort</c> file. They are not needed afterwards.</summary>
    public static OnnxSession Load(ReadOnlySpan<byte> model, OnnxSessionOptions? options = null)
    {
        if (model.IsEmpty) throw new OnnxException(OnnxErrorCode.NoModel, "The model is empty.");
        var api = OnnxRuntime.Api;
        var native = CreateOptions(api, options ?? OnnxSessionOptions.Default);
        try
        {
            nint session;
            fixed (byte* bytes = model)
                api.Check(api.CreateSessionFromArray(OnnxRuntime.Environment, bytes, (nuint)model.Length, native, &session));
            return Own(api, session, model.Length);
        }
        finally
        {
            api.ReleaseSessionOptions(native);
        }
    }

    /// <summary>Loads a model from a file.</summary>
    public static OnnxSession Load(string path, OnnxSessionOptions? options = null)
    {
        if (!File.Exists(path)) throw new OnnxException(OnnxErrorCode.NoSuchFile, $"There is no model file at {path}.");
        var api = OnnxRuntime.Api;
        var native = CreateOptions(api, options ?? OnnxSessionOptions.Default);
        try
        {
            nint session;
            fixed (byte* file = ToNativePath(path))
                api.Check(api.CreateSession(OnnxRuntime.Environment, file, native, &session));
            return Own(api, session, new FileInfo(path).Length);
        }
        finally
        {
            api.ReleaseSessionOptions(native);
        }
    }

    /// <summary>
    /// A model that is this graph with weights: a session whose runs pass them as the last inputs, and which keeps the graph's native
    /// session alive. The weights are copied.
    /// </summary>
    /// <param name="inputs">What the model calls the first inputs, and their shapes.</param>
    /// <param name="outputs">What it calls the outputs.</param>
    public OnnxSession Bind(OnnxValueInfo[] inputs, OnnxValueInfo[] outputs, IReadOnlyList<OnnxWeight> weights)
    {
        if (inputs.Length + weights.Count != _inputs.Length || outputs.Length != _outputs.Length)
            throw Refuse($"The graph has {_inputs.Length} inputs and {_outputs.Length} outputs; given are {inputs.Length} inputs, {weights.Count} weights and {outputs.Length} outputs.");
        for (var i = 0; i < inputs.Length; i++) CheckSame(_inputs[i], inputs[i].Type, inputs[i].HasShape ? inputs[i].Shape.Length : -1);
        for (var i = 0; i < outputs.Length; i++) CheckSame(_outputs[i], outputs[i].Type, -1);
        for (var i = 0; i < weights.Count; i++) CheckSame(_inputs[inputs.Length + i], weights[i].Type, weights[i].Shape.Length);
        return new OnnxSession(this, inputs, outputs, OrtWeightsHandle.Create(_api, _handle, weights));

        static void CheckSame(OnnxValueInfo declared, TensorElementType type, int rank)
        {
            if (declared.Type != type || (rank >= 0 && declared.HasShape && declared.Shape.Length != rank))
                throw Refuse($"'{declared.Name}' of the graph is {declared.Describe()}, not {type} with {rank} dimensions.");
        }
    }

    /// <summary>Runs the model; all outputs in their order, for the caller to dispose.</summary>
    public OnnxTensor[] Run(params ReadOnlySpan<OnnxTensor> inputs) => RunNew(inputs, null);

    /// <inheritdoc cref="Run(ReadOnlySpan{OnnxTensor})"/>
    public OnnxTensor[] Run(ReadOnlySpan<OnnxTensor> inputs, OnnxRunOptions? options) => RunNew(inputs, options);

    /// <summary>Runs the model into outputs that the caller allocated with the shapes that will come out. Allocates nothing.</summary>
    public void Run(ReadOnlySpan<OnnxTensor> inputs, ReadOnlySpan<OnnxTensor> outputs, OnnxRunOptions? options = null)
    {
        CheckOutputs(outputs);
        var pointers = outputs.Length <= TensorsOnStackMax ? stackalloc nint[outputs.Length] : new nint[outputs.Length];
        var held = 0;
        try
        {
            for (; held < outputs.Length; held++) pointers[held] = outputs[held].Handle.Hold();
            RunNative(inputs, pointers, options);
        }
        finally
        {
            while (held > 0) outputs[--held].Handle.DangerousRelease();
        }
    }

    /// <summary>What a request to this model takes, as far as <see cref="Count"/> was told.</summary>
    public TimeSpan MeanTime => new(Interlocked.Read(ref _meanTicks));

    /// <summary>Counts on where another session of the same model is, and with it.</summary>
    public void ContinueStatistics(OnnxSession former)
    {
        _statistics = former.Statistics;
        _meanTicks = Interlocked.Read(ref former._meanTicks);
    }

    /// <summary>Remembers what a request took.</summary>
    public void Count(TimeSpan time)
    {
        var ticks = time.Ticks;
        const int smoothing = 8;
        var mean = Interlocked.Read(ref _meanTicks);
        // What is lost when two do this at once matters little.
        Interlocked.Exchange(ref _meanTicks, mean == 0 ? ticks : mean + ((ticks - mean) / smoothing));
    }

    /// <summary>The position of an input, or -1.</summary>
    public int IndexOfInput(string name) => IndexOf(_inputs, name);

    /// <summary>The position of an output, or -1.</summary>
    public int IndexOfOutput(string name) => IndexOf(_outputs, name);

    /// <summary>True once <see cref="Dispose"/> was called, even if a run still holds the native session.</summary>
    public bool IsDisposed => Owned.IsRetired;

    public void Dispose() => Owned.Retire();

    private OrtHandle Owned => (OrtHandle?)_weights ?? _handle;

    private OnnxTensor[] RunNew(ReadOnlySpan<OnnxTensor> inputs, OnnxRunOptions? options)
    {
        var results = new OnnxTensor?[_outputs.Length];
        RunInto(inputs, results, options);
        return results!;
    }

    /// <summary>Runs the model into the outputs that are there, and makes those that are not.</summary>
    internal void RunInto(ReadOnlySpan<OnnxTensor> inputs, OnnxTensor?[] outputs, OnnxRunOptions? options)
    {
        foreach (var output in _outputs)
        {
            if (output.Kind != OnnxValueKind.Tensor)
                throw new OnnxException(OnnxErrorCode.NotImplemented, $"Output '{output.Name}' is a {output.Kind}; only tensors can be read. Export the model without it (for ZipMap: zipmap=False).");
        }

        var pointers = _outputs.Length <= TensorsOnStackMax ? stackalloc nint[_outputs.Length] : new nint[_outputs.Length];
        var held = 0;
        try
        {
            for (; held < outputs.Length; held++) pointers[held] = outputs[held]?.Handle.Hold() ?? 0;
            RunNative(inputs, pointers, options);
        }
        finally
        {
            while (held > 0) outputs[--held]?.Handle.DangerousRelease();
        }

        var adopted = 0;
        try
        {
            for (; adopted < outputs.Length; adopted++)
            {
                if (outputs[adopted] is not null) continue;
                var value = pointers[adopted];
                pointers[adopted] = 0;
                outputs[adopted] = OnnxTensor.Adopt(_api, value);
            }
        }
        catch
        {
            // Those that were there before stay; those that were made now are no use alone.
            for (var i = 0; i < outputs.Length; i++)
            {
                if (i >= adopted && outputs[i] is null && pointers[i] != 0) _api.ReleaseValue(pointers[i]);
                outputs[i]?.Dispose();
                outputs[i] = null;
            }
            throw;
        }
    }

    private void RunNative(ReadOnlySpan<OnnxTensor> inputs, Span<nint> outputs, OnnxRunOptions? options)
    {
        CheckInputs(inputs);
        var count = inputs.Length + (_weights?.Count ?? 0);
        var pointers = count <= TensorsOnStackMax ? stackalloc nint[count] : new nint[count];
        var held = 0;
        var holdsSession = false;
        var holdsOptions = false;
        try
        {
            // Leases, so that a Dispose on another thread takes effect after this run. Weights hold their graph's session.
            var owned = Owned.Hold();
            holdsSession = true;
            var native = options is null ? 0 : options.Handle.Hold();
            holdsOptions = options is not null;
            for (; held < inputs.Length; held++) pointers[held] = inputs[held].Handle.Hold();
            _weights?.Values.CopyTo(pointers[inputs.Length..]);

            nint status;
            fixed (nint* ins = pointers, outs = outputs)
            {
                status = _api.Run(
                    _weights is null ? owned : _handle.Value, native,
                    _handle.InputNames, ins, (nuint)count, _handle.OutputNames, (nuint)outputs.Length, outs);
            }
            if (status != 0) throw ToRunException(status, options);
        }
        finally
        {
            while (held > 0) inputs[--held].Handle.DangerousRelease();
            if (holdsOptions) options!.Handle.DangerousRelease();
            if (holdsSession) Owned.DangerousRelease();
        }
    }

    private Exception ToRunException(nint status, OnnxRunOptions? options)
    {
        var failure = _api.ToException(status);
        return options is { IsTerminated: true } ? options.ToException() : failure;
    }

    private void CheckInputs(ReadOnlySpan<OnnxTensor> inputs)
    {
        if (inputs.Length != _inputs.Length)
            throw Refuse($"The model takes {_inputs.Length} inputs ({NamesOf(_inputs)}), not {inputs.Length}.");
        for (var i = 0; i < inputs.Length; i++)
        {
            if (!Fits(_inputs[i], inputs[i]))
                throw Refuse($"Input '{_inputs[i].Name}' takes {_inputs[i].Describe()}, not {inputs[i]?.ToString() ?? "null"}.");
        }
    }

    private void CheckOutputs(ReadOnlySpan<OnnxTensor> outputs)
    {
        if (outputs.Length != _outputs.Length)
            throw Refuse($"The model gives {_outputs.Length} outputs ({NamesOf(_outputs)}), not {outputs.Length}.");
        for (var i = 0; i < outputs.Length; i++)
        {
            if (!Fits(_outputs[i], outputs[i]))
                throw Refuse($"Output '{_outputs[i].Name}' gives {_outputs[i].Describe()}, which a tensor {outputs[i]?.ToString() ?? "null"} cannot take.");
        }
    }

    private static bool Fits(OnnxValueInfo info, OnnxTensor? tensor)
    {
        if (tensor is null || info.Kind != OnnxValueKind.Tensor || info.Type != tensor.ElementType) return false;
        if (!info.HasShape) return true;
        var wanted = info.Shape;
        var given = tensor.Shape;
        if (wanted.Length != given.Length) return false;
        for (var i = 0; i < wanted.Length; i++)
        {
            if (wanted[i] >= 0 && wanted[i] != given[i]) return false;
        }
        return true;
    }

    private static int IndexOf(OnnxValueInfo[] values, string name)
    {
        for (var i = 0; i < values.Length; i++)
        {
            if (values[i].Name == name) return i;
        }
        return -1;
    }

    private static string NamesOf(OnnxValueInfo[] values)
    {
        const int shown = 20;
        var names = string.Join(", ", values.Take(shown).Select(value => value.Name));
        return values.Length > shown ? names + ", ..." : names;
    }

    private static OnnxException Refuse(string message) => new(OnnxErrorCode.InvalidArgument, message);

    private static OnnxSession Own(OrtApi api, nint session, long modelBytes)
    {
        var handle = new OrtSessionHandle(session, modelBytes);
        try
        {
            return new OnnxSession(api, handle);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    internal static nint CreateOptions(OrtApi api, OnnxSessionOptions options)
    {
        const int disableAll = 0, enableAll = 99;
        ArgumentOutOfRangeException.ThrowIfLessThan(options.IntraOpThreads, 1);
        nint native;
        api.Check(api.CreateSessionOptions(&native));
        try
        {
            api.Check(api.SetSessionGraphOptimizationLevel(native, options.Optimized ? disableAll : enableAll));
            if (options.AtollOperators) api.Check(api.AddCustomOpDomain(native, OnnxRuntime.Operators));
            if (!options.MemoryArena) api.Check(api.DisableCpuMemArena(native));
            if (!options.MemoryPattern) api.Check(api.DisableMemPattern(native));
            if (options.IntraOpThreads == 1)
            {
                api.Check(api.DisablePerSessionThreads(native));
            }
            else
            {
                api.Check(api.SetIntraOpNumThreads(native, options.IntraOpThreads));
                api.Check(api.SetInterOpNumThreads(native, 1));
                AddConfig(api, native, "session.intra_op.allow_spinning\0"u8, options.Spinning ? "1\0"u8 : "0\0"u8);
            }
            return native;
        }
        catch
        {
            api.ReleaseSessionOptions(native);
            throw;
        }
    }

    internal static void AddConfig(OrtApi api, nint options, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        fixed (byte* k = key, v = value) api.Check(api.AddSessionConfigEntry(options, k, v));
    }

    /// <summary>A path as ONNX Runtime takes it: UTF-16 on Windows, UTF-8 elsewhere, ended by zero.</summary>
    internal static byte[] ToNativePath(string path) =>
        OperatingSystem.IsWindows() ? Encoding.Unicode.GetBytes(path + '\0') : Encoding.UTF8.GetBytes(path + '\0');

    private OnnxValueInfo[] ReadInfo(
        delegate* unmanaged<nint, nuint*, nint> readCount,
        delegate* unmanaged<nint, nuint, nint, byte**, nint> readName,
        delegate* unmanaged<nint, nuint, nint*, nint> readType)
    {
        nuint count;
        _api.Check(readCount(_handle.Value, &count));
        var values = new OnnxValueInfo[count];
        for (nuint i = 0; i < count; i++)
        {
            byte* text;
            _api.Check(readName(_handle.Value, i, OnnxRuntime.CpuAllocator, &text));
            var name = Marshal.PtrToStringUTF8((nint)text)!;
            _api.Check(_api.AllocatorFree(OnnxRuntime.CpuAllocator, text));

            nint type;
            _api.Check(readType(_handle.Value, i, &type));
            try
            {
                values[i] = ReadType(name, type);
            }
            finally
            {
                _api.ReleaseTypeInfo(type);
            }
        }
        return values;
    }

    private OnnxValueInfo ReadType(string name, nint type)
    {
        OnnxValueKind kind;
        _api.Check(_api.GetOnnxTypeFromTypeInfo(type, &kind));
        if (kind != OnnxValueKind.Tensor) return new OnnxValueInfo(name, TensorElementType.Undefined, []) { Kind = kind, HasShape = false };

        nint tensor;
        TensorElementType element;
        nuint rank;
        _api.Check(_api.CastTypeInfoToTensorInfo(type, &tensor));
        _api.Check(_api.GetTensorElementType(tensor, &element));
        _api.Check(_api.GetDimensionsCount(tensor, &rank));
        var shape = new long[rank];
        var names = new string[rank];
        if (rank > 0)
        {
            fixed (long* dimensions = shape) _api.Check(_api.GetDimensions(tensor, dimensions, rank));
            var symbols = stackalloc byte*[(int)rank];
            _api.Check(_api.GetSymbolicDimensions(tensor, symbols, rank));
            for (var i = 0; i < names.Length; i++) names[i] = Marshal.PtrToStringUTF8((nint)symbols[i]) ?? "";
        }
        return new OnnxValueInfo(name, element, shape) { HasShape = _api.TensorTypeAndShapeHasShape(tensor) != 0, DimensionNames = names };
    }

    /// <summary>One block with the pointers, then the names.</summary>
    private static byte** ToNative(OnnxValueInfo[] values)
    {
        var bytes = values.Sum(value => Encoding.UTF8.GetByteCount(value.Name) + 1);
        var pointers = (byte**)NativeMemory.Alloc((nuint)(values.Length * sizeof(byte*) + bytes));
        var text = (byte*)(pointers + values.Length);
        var end = text + bytes;
        for (var i = 0; i < values.Length; i++)
        {
            pointers[i] = text;
            text += Encoding.UTF8.GetBytes(values[i].Name, new Span<byte>(text, (int)(end - text)));
            *text++ = 0;
        }
        return pointers;
    }
}
