using System.Numerics.Tensors;

namespace Atoll.Training.Linear;

/// <summary>Solves symmetric positive definite systems.</summary>
internal static class Cholesky
{
    /// <summary>Solves A x = b; b becomes x.</summary>
    /// <param name="matrix">Row-major; the lower triangle is read and overwritten with its factor.</param>
    /// <param name="size">Rows and columns.</param>
    /// <param name="rightSide">b, and x on return.</param>
    public static void SolveInPlace(double[] matrix, int size, double[] rightSide)
    {
        for (var i = 0; i < size; i++)
        {
            var rowI = matrix.AsSpan(i * size, size);
            for (var j = 0; j <= i; j++)
            {
                var rowJ = matrix.AsSpan(j * size, size);
                var sum = rowI[j] - (j == 0 ? 0 : TensorPrimitives.Dot<double>(rowI[..j], rowJ[..j]));
                if (i != j)
                {
                    rowI[j] = sum / rowJ[j];
                    continue;
                }

                // Columns that depend on others leave nothing: their step becomes negligible instead of infinite.
                rowI[i] = sum > 1e-12 ? Math.Sqrt(sum) : 1e6;
            }
        }
        for (var i = 0; i < size; i++)
        {
            var sum = rightSide[i];
            for (var j = 0; j < i; j++) sum -= matrix[(i * size) + j] * rightSide[j];
            rightSide[i] = sum / matrix[(i * size) + i];
        }
        for (var i = size - 1; i >= 0; i--)
        {
            var sum = rightSide[i];
            for (var j = i + 1; j < size; j++) sum -= matrix[(j * size) + i] * rightSide[j];
            rightSide[i] = sum / matrix[(i * size) + i];
        }
    }
}
