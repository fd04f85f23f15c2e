namespace Atoll.Training.Autodiff;

/// <summary>Binary arithmetic with broadcasting.</summary>
internal static class Arithmetic
{
    public static Tensor Add(this Tensor a, Tensor b) => Binary("Add", a, b, (d, _) => d, (d, _) => d);

    public static Tensor Sub(this Tensor a, Tensor b) => Binary("Sub", a, b, (d, _) => d, (d, _) => d.Negate());

    public static Tensor Mul(this Tensor a, Tensor b) => Binary("Mul", a, b, (d, _) => d.Mul(b), (d, _) => d.Mul(a));

    public static Tensor Div(this Tensor a, Tensor b) =>
        Binary("Div", a, b, (d, _) => d.Div(b), (d, y) => d.Mul(y).Div(b).Negate());

    private static Tensor Binary(
        string operation, Tensor a, Tensor b, Func<Tensor, Tensor, Tensor> towardsA, Func<Tensor, Tensor, Tensor> towardsB) =>
        a.Tape.Record(
            operation, [a, b], Broadcasting.Shape(a.Shape, b.Shape),
            [(d, y) => towardsA(d, y).SumTo(a.Shape), (d, y) => towardsB(d, y).SumTo(b.Shape)]);
}
