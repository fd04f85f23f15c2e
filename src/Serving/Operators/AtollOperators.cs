using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Atoll.Serving.Onnx;

namespace Atoll.Serving.Operators;

/// <summary>
/// The operators of the domain <c>ai.atoll</c>: what ONNX keeps in attributes of a node, they take as a tensor, so that models
/// which differ in it alone can share a session. They occur in serving forms only, never in a model that a customer downloads.
/// </summary>
/// <remarks>
/// <c>TreeEnsemble(X float [N, features], trees uint8 [bytes]) -> float [N, targets]</c>; see <see cref="TreeTable"/>.
/// <c>StringLookup(X string [...], dictionary uint8 [bytes]) -> int64 [...]</c>; see <see cref="LookupTable"/>.
/// <c>IntegerLookup(X int64 [...], dictionary uint8 [bytes]) -> int64 [...]</c>, likewise.
/// Sessions of models that come from outside must not know these operators: they trust their second input.
/// </remarks>
internal static unsafe class AtollOperators
{
    public const string Domain = "ai.atoll";

    public const string TreeEnsemble = "TreeEnsemble";

    public const string StringLookup = "StringLookup";

    public const string IntegerLookup = "IntegerLookup";

    /// <summary>Describes the operators to ONNX Runtime; an <c>OrtCustomOpDomain*</c> that lives as long as the process.</summary>
    internal static nint Register(OrtApi api)
    {
        nint domain;
        fixed (byte* name = "ai.atoll\0"u8) api.Check(api.CreateCustomOpDomain(name, &domain));
        Add(api, domain, "TreeEnsemble\0"u8, &TreeEnsembleOperator.Compute, [TensorElementType.Float, TensorElementType.UInt8], TensorElementType.Float);
        Add(api, domain, "StringLookup\0"u8, &LookupOperators.FindStrings, [TensorElementType.String, TensorElementType.UInt8], TensorElementType.Int64);
        Add(api, domain, "IntegerLookup\0"u8, &LookupOperators.FindIntegers, [TensorElementType.Int64, TensorElementType.UInt8], TensorElementType.Int64);
        return domain;
    }

    private static void Add(
        OrtApi api, nint domain, ReadOnlySpan<byte> name, delegate* unmanaged<void*, nint, nint> compute,
        ReadOnlySpan<TensorElementType> inputs, TensorElementType output)
    {
        // Both live as long as the process, as ONNX Runtime wants it.
        var text = (byte*)NativeMemory.Alloc((nuint)name.Length);
        name.CopyTo(new Span<byte>(text, name.Length));
        var description = (Description*)NativeMemory.AllocZeroed((nuint)sizeof(Description));
        description->Operator = new OrtCustomOp
        {
            Version = OrtCustomOp.DescribedVersion,
            GetName = &GetName,
            GetExecutionProviderType = &GetProvider,
            GetInputType = &GetInputType,
            GetInputTypeCount = &GetInputCount,
            GetOutputType = &GetOutputType,
            GetOutputTypeCount = &GetOutputCount,
            KernelDestroy = &DestroyKernel,
            GetInputCharacteristic = &GetRequired,
            GetOutputCharacteristic = &GetRequired,
            GetInputMemoryType = &GetDefaultMemory,
            GetVariadicInputMinArity = &GetZero,
            GetVariadicInputHomogeneity = &GetZero,
            GetVariadicOutputMinArity = &GetZero,
            GetVariadicOutputHomogeneity = &GetZero,
            CreateKernelV2 = &CreateKernel,
            KernelComputeV2 = compute,
            GetStartVersion = &GetFirstVersion,
            GetEndVersion = &GetLastVersion,
        };
        description->Name = text;
        description->Inputs = inputs.Length;
        for (var i = 0; i < inputs.Length; i++) description->Types[i] = (int)inputs[i];
        description->Output = (int)output;
        api.Check(api.CustomOpDomainAdd(domain, description));
    }

    [UnmanagedCallersOnly]
    private static byte* GetName(Description* self) => self->Name;

    [UnmanagedCallersOnly]
    private static byte* GetProvider(Description* self) => null;

    [UnmanagedCallersOnly]
    private static int GetInputType(Description* self, nuint index) => self->Types[index];

    [UnmanagedCallersOnly]
    private static nuint GetInputCount(Description* self) => (nuint)self->Inputs;

    [UnmanagedCallersOnly]
    private static int GetOutputType(Description* self, nuint index) => self->Output;

    [UnmanagedCallersOnly]
    private static nuint GetOutputCount(Description* self) => 1;

    [UnmanagedCallersOnly]
    private static int GetRequired(Description* self, nuint index) => 0;

    [UnmanagedCallersOnly]
    private static int GetDefaultMemory(Description* self, nuint index) => 0;

    [UnmanagedCallersOnly]
    private static int GetZero(Description* self) => 0;

    [UnmanagedCallersOnly]
    private static int GetFirstVersion(Description* self) => 1;

    [UnmanagedCallersOnly]
    private static int GetLastVersion(Description* self) => int.MaxValue;

    // The kernels keep nothing: all they need comes with each call. The description stands for the kernel that must not be null.
    [UnmanagedCallersOnly]
    private static nint CreateKernel(Description* self, nint api, nint info, void** kernel)
    {
        *kernel = self;
        return 0;
    }

    [UnmanagedCallersOnly]
    private static void DestroyKernel(void* kernel)
    {
    }

    /// <summary>Struct <c>OrtCustomOp</c> as far as version 17 of the API.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct OrtCustomOp
    {
        public const uint DescribedVersion = 17;

        public uint Version;
        public nint CreateKernelV1;
        public delegate* unmanaged<Description*, byte*> GetName;
        public delegate* unmanaged<Description*, byte*> GetExecutionProviderType;
        public delegate* unmanaged<Description*, nuint, int> GetInputType;
        public delegate* unmanaged<Description*, nuint> GetInputTypeCount;
        public delegate* unmanaged<Description*, nuint, int> GetOutputType;
        public delegate* unmanaged<Description*, nuint> GetOutputTypeCount;
        public nint KernelComputeV1;
        public delegate* unmanaged<void*, void> KernelDestroy;
        public delegate* unmanaged<Description*, nuint, int> GetInputCharacteristic;
        public delegate* unmanaged<Description*, nuint, int> GetOutputCharacteristic;
        public delegate* unmanaged<Description*, nuint, int> GetInputMemoryType;
        public delegate* unmanaged<Description*, int> GetVariadicInputMinArity;
        public delegate* unmanaged<Description*, int> GetVariadicInputHomogeneity;
        public delegate* unmanaged<Description*, int> GetVariadicOutputMinArity;
        public delegate* unmanaged<Description*, int> GetVariadicOutputHomogeneity;
        public delegate* unmanaged<Description*, nint, nint, void**, nint> CreateKernelV2;
        public delegate* unmanaged<void*, nint, nint> KernelComputeV2;
        public nint InferOutputShape;
        public delegate* unmanaged<Description*, int> GetStartVersion;
        public delegate* unmanaged<Description*, int> GetEndVersion;
    }

    /// <summary>What ONNX Runtime knows of an operator, and after it what we do.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Description
    {
        public OrtCustomOp Operator;
        public Room Unused;
        public byte* Name;
        public int Inputs;
        public int Output;
        public fixed int Types[4];

        /// <summary>Zeros where a newer version of the struct goes on.</summary>
        [InlineArray(16)]
        public struct Room
        {
            private nint _first;
        }
    }
}
